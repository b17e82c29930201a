"""A node's row about itself: whole, truthful and cheap to ask for twice."""

from __future__ import annotations

import os
from typing import Any

import pulsing as pul


class IdlerActor:
    """Does nothing."""

    def nothing(self) -> None:
        """Nothing."""


Idler: Any = pul.remote(IdlerActor)


async def test_a_node_counts_users_actors_and_messages_but_not_its_own() -> None:
    async with await pul.actor_system() as system:
        idler = await Idler.spawn(system=system)
        await idler.nothing()

        row = await system.inspect("node", {})

    assert (row["id"], row["pid"], row["actors"]) == (str(system.node_id), os.getpid(), 1)
    assert row["messages_total"] == 1
    assert row["rss_bytes"] > 1_000_000


async def test_only_the_detail_lists_packages_and_classes() -> None:
    async with await pul.actor_system() as system:
        await Idler.spawn(system=system)

        short, detail = await system.inspect("node", {}), await system.inspect("node", {"detail": True})

    assert "packages" not in short
    assert "msgpack" in detail["packages"]
    assert [c["actors"] for c in detail["top_classes"]] == [1]
