"""A node in a process of its own, for tests that kill it; run as `python subprocess_node.py <role> <addr of another>`.

`serve` lets others start programs and prints its address; `call` starts one there, `detach` one that may go on alone,
`own` one here, and each prints the numbers of the program's processes, then waits to be killed.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pulsing as pul
import pulsing.subprocess as subprocess

SLEEPER = ["sh", "-c", "sleep 300 & echo $$ $!; wait"]
"""Prints the numbers of its process and of one that it has started."""


async def serve() -> None:
    async with await pul.actor_system("127.0.0.1:0", admin=False, allow_remote_subprocess=["sh", "sleep"]) as system:
        print(system.addr, flush=True)
        await asyncio.Event().wait()


async def call(addr: str, **more: Any) -> None:
    system = await pul.init("127.0.0.1:0", seeds=[addr], join_timeout=30.0, admin=False)
    await asyncio.to_thread(_start, {"system": system, "placement": "remote", **more})


def own() -> None:
    _start({})


def _start(keywords: dict[str, Any]) -> None:
    process = subprocess.Popen(SLEEPER, stdout=subprocess.PIPE, text=True, resources={"num_cpus": 0}, **keywords)
    assert process.stdout is not None
    print(process.stdout.readline(), end="", flush=True)
    process.wait()


if __name__ == "__main__":
    role, *rest = sys.argv[1:]
    if role == "own":
        own()
    else:
        asyncio.run(serve() if role == "serve" else call(*rest, detach=role == "detach"))
