"""A worker of one graph node, in a process of its own; run with the node's name, the address and those of others."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from langgraph.config import get_store, get_stream_writer
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


def remember(state: dict[str, Any], store: Any, runtime: Any) -> dict[str, Any]:
    likes = store.get(("users", "ada"), "likes")
    nothing = get_store().get(("users", "bob"), "likes")
    found = runtime.store.search(("users",), filter={"drink": "tea"})
    namespaces = store.list_namespaces(prefix=("users",))
    store.put(("users", "ada"), "likes", {"drink": "coffee"})
    return told(likes, nothing, found, namespaces)


async def remember_later(state: dict[str, Any], store: Any, runtime: Any) -> dict[str, Any]:
    likes = await store.aget(("users", "ada"), "likes")
    nothing = await get_store().aget(("users", "bob"), "likes")
    found = await runtime.store.asearch(("users",), filter={"drink": "tea"})
    namespaces = await store.alist_namespaces(prefix=("users",))
    await store.aput(("users", "ada"), "likes", {"drink": "coffee"})
    try:
        store.get(("users", "ada"), "likes")
    except RuntimeError as error:
        assert "store.aget" in str(error)
    else:
        raise AssertionError("it would wait for ever")
    return told(likes, nothing, found, namespaces)


def told(likes: Any, nothing: Any, found: Any, namespaces: Any) -> dict[str, Any]:
    assert nothing is None
    items = ", ".join(f"{item.key}, {item.score}" for item in found)
    assert ("users", "ada") in namespaces
    seen = [f"{likes.key} {likes.value['drink']}", f"{len(found)} found: {items}"]
    return {"seen": seen, "pid": os.getpid()}


if __name__ == "__main__":
    node, addr, *seeds = sys.argv[1:]
    asyncio.run(start_worker(node, globals()[node], addr=addr, seeds=seeds, actor_name="node"))
