"""A worker of one graph node, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from pulsing.integrations.langgraph import start_worker


def think(state: dict[str, Any]) -> dict[str, Any]:
    if state["seen"][-1:] == ["fail"]:
        raise ValueError("nothing to think about")
    return {"seen": [f"thought after {len(state['seen'])}"], "pid": os.getpid()}


if __name__ == "__main__":
    asyncio.run(start_worker("think", think, addr=sys.argv[1], seeds=sys.argv[2:]))
