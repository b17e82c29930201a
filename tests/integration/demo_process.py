"""A running `pulsing demo`, as its user sees it: lines of output, and processes."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

LIMIT_S = 50.0


class Demo:
    """A running `pulsing demo`, whose output is read as it comes."""

    def __init__(self, *words: str) -> None:
        self.lines: list[str] = []
        self._arrived: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from pulsing.cli import main; main()", "demo", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for_line(self, wanted: Callable[[str], object]) -> str:
        """The next line that is wanted."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            line = self._arrived.get(timeout=max(0.0, deadline - time.monotonic()))
            assert line is not None, "the demo ended:\n" + "".join(self.lines)
            if wanted(line):
                return line

    def end(self, within: float = LIMIT_S) -> str:
        """Wait for the end and return everything that was printed."""
        self.process.wait(within)
        self._reader.join()
        return "".join(self.lines)

    def node(self, number: int) -> int:
        """The process id of a node."""
        return next(pid for pid in self.nodes() if _plan(pid).get("number") == number)

    def nodes(self) -> list[int]:
        """The process ids of the nodes that live."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._arrived.put(line)
        self._arrived.put(None)


def _plan(pid: int) -> dict[str, object]:
    with contextlib.suppress(OSError, ValueError):
        plan: dict[str, object] = json.loads(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[-2])
        return plan
    return {}
