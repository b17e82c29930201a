"""A worker of one graph node, in a process of its own; run with the node's name, the address and those of others."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from langgraph.config import get_stream_writer
from langgraph.types import interrupt

from pulsing.integrations.langgraph import start_worker


def think(state: dict[str, Any]) -> dict[str, Any]:
    if state["seen"][-1:] == ["fail"]:
        raise ValueError("nothing to think about")
    return {"seen": [f"thought after {len(state['seen'])}"], "pid": os.getpid()}


def ask(state: dict[str, Any]) -> dict[str, Any]:
    name = interrupt({"question": "your name?"})
    age = interrupt(f"the age of {name}?")
    return {"seen": [f"{name} is {age}"], "pid": os.getpid()}


async def tell(state: dict[str, Any], config: Any, runtime: Any) -> dict[str, Any]:
    get_stream_writer()("a word")
    runtime.stream_writer({"more": 1})
    await asyncio.sleep(0)
    user, context = config["configurable"]["user"], runtime.context
    return {"seen": [f"for {user} of {context['team']}, tagged {config['tags']}"], "pid": os.getpid()}


if __name__ == "__main__":
    node, addr, *seeds = sys.argv[1:]
    asyncio.run(start_worker(node, globals()[node], addr=addr, seeds=seeds, actor_name="node"))
