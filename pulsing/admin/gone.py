"""Agents of which only the name and the card are left."""

from __future__ import annotations

from typing import Any

from pulsing.agent import list_agents

BACKSTORY = 2_048


def gone_agents(node: str) -> list[dict[str, Any]]:
    """A row for each name under which this process has spawned an agent; whoever asks knows which of them live.

    Args:
        node: id of the node.
    """
    return [
        {
            "id": f"{node}/{name}",
            "name": name if name.startswith("actors/") else f"actors/{name}",
            "class": "",
            "node": node,
            "state": "stopped",
            "busy": False,
            "messages_total": 0,
            "errors_total": 0,
            "handle_mean_s": None,
            "role": meta.role,
            "goal": meta.goal,
            "backstory": meta.backstory[:BACKSTORY],
            "tags": dict(meta.tags),
            "current": None,
            "last_message_at": None,
            "last_message": None,
            "gone": True,
        }
        for name, meta in list_agents().items()
    ]
