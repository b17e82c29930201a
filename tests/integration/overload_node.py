"""A node in a process of its own, whose one actor takes a millisecond for each call."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pulsing as pul


@pul.remote
class Worker:
    def work(self, payload: bytes) -> int:
        time.sleep(0.001)
        return len(payload)


WORKER: Any = Worker


async def main() -> None:
    async with await pul.actor_system("127.0.0.1:0", admin=True, admin_addr="127.0.0.1:0") as system:
        await WORKER.spawn(name="worker", system=system)
        print(json.dumps({"addr": system.addr, "admin": system.admin_url}), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
