"""Dead letters are sent again by REST: by id or by filter, to the same actor or to another."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pulsing.ids import ActorId
from pulsing.testing import wait_until
from tests.unit.admin.admin_world import API, Counter, Site, site


async def letters_for(world: Site, *amounts: int, name: str = "gone") -> None:
    """One dead letter for each amount: calls of an actor that has ended."""
    gone = await Counter.spawn(name=name, system=world.system)
    await world.system.stop(name)
    calls = [gone.ref.request("incr", (by,), None, 1) for by in amounts]
    await asyncio.gather(*calls, return_exceptions=True)


async def listed(world: Site) -> list[dict[str, Any]]:
    client = await world.client("operator")
    items: list[dict[str, Any]] = (await client.get(f"{API}/dead-letters?sort=at")).json()["items"]
    return items


async def test_letters_go_to_another_actor_oldest_first_and_are_marked() -> None:
    async with site() as world:
        await letters_for(world, 1, 10)
        heir = await Counter.spawn(name="heir", system=world.system)
        client = await world.client("operator")
        ids = [row["id"] for row in await listed(world)]
        done = await client.post(f"{API}/dead-letters/replay", json={"ids": ids, "to": "heir"})
        assert done.status_code == 200, done.text
        assert done.json() == {"replayed": 2, "failed": [], "skipped": []}
        assert await heir.incr(0) == 11
        assert [(row["replayable"], row["replays"], row["bytes"] > 0) for row in await listed(world)] == [
            (True, 1, True)
        ] * 2


async def test_a_dry_run_counts_and_sends_nothing() -> None:
    async with site() as world:
        await letters_for(world, 1, 2, 3)
        heir = await Counter.spawn(name="heir", system=world.system)
        client = await world.client("operator")
        order = {"filter": {"reason": "stopped"}, "limit": 2, "to": "heir"}
        done = await client.post(f"{API}/dead-letters/replay?dry_run=true", json=order)
        assert done.json() == {"replayed": 2, "failed": [], "skipped": [], "dry_run": True}
        assert await heir.incr(0) == 0


async def test_letters_that_fail_again_and_letters_that_are_gone_are_told_apart() -> None:
    async with site() as world:
        await letters_for(world, 1)
        client = await world.client("operator")
        [row] = await listed(world)
        unknown = f"{world.system.node_id}-999"
        done = (await client.post(f"{API}/dead-letters/replay", json={"ids": [row["id"], unknown]})).json()
        assert done["replayed"] == 0
        assert [one["id"] for one in done["failed"]] == [row["id"]]
        assert [one["id"] for one in done["skipped"]] == [unknown]


async def test_the_filter_looks_at_class_and_recipient() -> None:
    async with site() as world:
        await letters_for(world, 1)
        with pytest.raises(Exception, match="not found"):
            await world.system.bind(ActorId.of(world.system.node_id.id, 99_999)).ask("x")
        heir = await Counter.spawn(name="heir", system=world.system)
        client = await world.client("operator")
        order = {"filter": {"class": f"{Counter._cls.__module__}.CounterActor"}, "to": "heir"}
        assert (await client.post(f"{API}/dead-letters/replay", json=order)).json()["replayed"] == 1
        order = {"filter": {"recipient": "actors/gone"}, "to": "heir"}
        assert (await client.post(f"{API}/dead-letters/replay", json=order)).json()["replayed"] == 1
        assert await heir.incr(0) == 2


async def test_messages_go_at_the_rate_that_was_asked_for() -> None:
    async with site() as world:
        await letters_for(world, *range(5))
        await Counter.spawn(name="heir", system=world.system)
        client = await world.client("operator")
        began = world.plane.clock.monotonic()
        order = {"filter": {}, "rate": 20, "to": "heir"}
        assert (await client.post(f"{API}/dead-letters/replay", json=order)).json()["replayed"] == 5
        assert world.plane.clock.monotonic() - began >= 4 / 20


@pytest.mark.parametrize(
    "order", [{}, {"ids": []}, {"ids": ["a"], "filter": {}}, {"filter": {"reason": "bored"}}, {"ids": ["a"], "rate": 0}]
)
async def test_an_order_that_chooses_nothing_or_too_much_is_refused(order: dict[str, Any]) -> None:
    async with site() as world:
        refused = await (await world.client("operator")).post(f"{API}/dead-letters/replay", json=order)
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/validation")


async def test_viewers_may_not_and_the_audit_names_who_did() -> None:
    async with site() as world:
        await letters_for(world, 1)
        viewer, admin = await world.client("viewer"), await world.client("admin")
        assert (await viewer.post(f"{API}/dead-letters/replay", json={"filter": {}})).status_code == 403
        await admin.post(f"{API}/dead-letters/replay", json={"filter": {}})
        await wait_until(lambda: len(list(world.plane.audit)) == 2)
        rows = (await admin.get(f"{API}/audit?action=dead_letter.replay&sort=seq")).json()["items"]
    assert [(row["outcome"], row["principal"]) for row in rows] == [("refused", "viewer"), ("ok", "admin")]
