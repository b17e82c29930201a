"""Run a file as Python would that may wait at its top level: `python -m tests.engines.as_written FILE`."""

from __future__ import annotations

import asyncio
import sys
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from pathlib import Path


def main(path: str) -> None:
    """Run it, on a loop if it waits."""
    code = compile(Path(path).read_text(), path, "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, {"__name__": "__main__"})
    if running is not None:
        asyncio.run(running)


if __name__ == "__main__":
    main(sys.argv[1])
