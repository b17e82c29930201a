"""A node in a process of its own, for tests that attack it: prints where it is, and tells how it is doing."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import pulsing as pul

TICK_S = 0.01


@pul.remote
class Witness:
    """Answers whoever asks, and watches the loop that it lives on."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._watch = asyncio.get_running_loop().create_task(self._tick())

    async def _tick(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(TICK_S)
            self.worst = max(self.worst, time.thread_time() - before)

    def on_stop(self) -> None:
        self._watch.cancel()

    def echo(self, value: object) -> object:
        return value

    def stalled(self) -> float:
        """Seconds of the processor that the loop has spent at one go at worst, since the last question."""
        worst, self.worst = self.worst, 0.0
        return worst

    def memory(self) -> int:
        """Resident bytes of the process."""
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


async def main() -> None:
    async with await pul.actor_system("127.0.0.1:0", admin=False) as system:
        witness = await Witness.spawn(name="witness", system=system)
        print(json.dumps([system.addr, str(system.node_id), str(witness.ref.actor_id)]), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
