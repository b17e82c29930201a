"""A node of a user's program, whose actor ends its process in the way that it is asked to."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from typing import Any

import pulsing as pul
from pulsing.core.helpers import spawn_and_run


class Ender(pul.Actor):
    """Has an answer to everything else."""

    async def receive(self, msg: Any) -> Any:
        match msg:
            case "sys.exit":
                sys.exit(3)
            case "os._exit":
                os._exit(4)
            case "segmentation fault":
                ctypes.string_at(0)
            case "more memory than there is":
                bytearray(1 << 62)
            case "fork":
                if (worker := os.fork()) == 0:
                    signal.pause()
                return worker
            case "never":
                await asyncio.Event().wait()
        return msg


if __name__ == "__main__":
    asyncio.run(spawn_and_run(Ender(), "ender", "127.0.0.1:0", sys.argv[1:]))
