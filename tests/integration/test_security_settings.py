"""Nodes that are started with the settings for certificates and secrets, and what they then are to each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import AuthFailed
from pulsing.testing import wait_until
from tests.unit.transport.site import Site


@asynccontextmanager
async def nodes(*settings: dict[str, Any]) -> AsyncIterator[list[pul.ActorSystem]]:
    """Nodes, each joining by the first."""
    started: list[pul.ActorSystem] = []
    try:
        for each in settings:
            seeds = [started[0].addr] if started else None
            started.append(await pul.actor_system("127.0.0.1:0", seeds=seeds, admin=False, **each))
        yield started
    finally:
        for system in reversed(started):
            await system.shutdown(drain=0)


def node_of(system: pul.ActorSystem) -> Any:
    return system.inner.router


async def all_alive(systems: list[pul.ActorSystem]) -> None:
    async def seen() -> bool:
        views = [[m["status"] for m in await system.members()] for system in systems]
        return views == [["Alive"] * len(systems)] * len(systems)

    await wait_until(seen, timeout=20)


async def test_nodes_with_certificates_of_a_site_are_a_cluster(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with nodes(*({"tls": site.issue("127.0.0.1")} for _ in range(3))) as systems:
        await all_alive(systems)
        assert all(link.connection.peer.tls for link in node_of(systems[0]).links())


async def test_a_node_without_a_certificate_does_not_become_a_member(tmp_path: Path) -> None:
    site, foreign = Site(tmp_path), Site(tmp_path, "foreign")
    async with nodes({"tls": site.issue("127.0.0.1")}) as (first,):
        with pytest.raises(AuthFailed, match="certificate"):
            # Nobody waits for as long as this where it can be known at once that it is in vain.
            await pul.actor_system(
                "127.0.0.1:0", seeds=[first.addr], admin=False, tls=foreign.issue("127.0.0.1"), join_timeout=1000
            )
        assert len(await first.members()) == 1


async def test_tokens_can_be_changed_node_by_node(tmp_path: Path) -> None:
    new, old = str(tmp_path / "new.token"), str(tmp_path / "old.token")
    changing = {"token_file": [new, old]}
    async with nodes(changing, {"token_file": old}, changing, {"token_file": new}) as systems:
        # A node of the old token and one of the new one do not talk; all others do.
        async def seen_by_those_who_change() -> bool:
            return [len(await systems[i].members()) for i in (0, 2)] == [4, 4]

        await wait_until(seen_by_those_who_change, timeout=20)


async def test_a_passphrase_file_is_as_good_as_the_passphrase(tmp_path: Path) -> None:
    file = tmp_path / "phrase"
    file.write_text("six words that stand in a file\n")
    async with nodes({"passphrase_file": file}, {"passphrase": "six words that stand in a file"}) as systems:
        await all_alive(systems)
