"""The two actors that every node has."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.core import (
    PYTHON_ACTOR_SERVICE_NAME,
    Message,
    PythonActorServiceProxy,
    SystemActorProxy,
    get_python_actor_service,
    get_system_actor,
)
from pulsing.exceptions import Forbidden, NodeNotFound, PulsingRuntimeError
from tests.unit.core.acting import Counter, spawn, users_actors

NAME = "tests.unit.core.acting.Counter"


class Described:
    def metadata(self) -> dict[str, Any]:
        return {"model": "small", "size": 7}


async def test_the_system_actor_tells_of_its_node() -> None:
    async with testing.system() as system:
        counter = await spawn(Counter, name="c", system=system)
        await counter.incr()
        actor = await get_system_actor(system)
        assert isinstance(actor, SystemActorProxy)
        assert actor.ref == await system.system()
        node = str(system.node_id.id)
        pong = await actor.ping()
        assert (pong["type"], pong["node_id"]) == ("Pong", node)
        assert pong["timestamp"] > 1_600_000_000_000
        info = await actor.get_node_info()
        assert {**info, "uptime_secs": 0} == {"type": "NodeInfo", "node_id": node, "addr": "", "uptime_secs": 0}
        health = await actor.health_check()
        assert (health["type"], health["status"]) == ("Health", "healthy")
        metrics = await actor.get_metrics()
        assert set(metrics) == {
            "type",
            "actors_count",
            "messages_total",
            "actors_created",
            "actors_stopped",
            "uptime_secs",
        }
        assert metrics["messages_total"] >= 1
        same = await get_system_actor(system, system.node_id)
        assert same.ref == (await get_system_actor(system, system.node_id.id)).ref == actor.ref
        with pytest.raises(NodeNotFound):
            await get_system_actor(system, 77)


async def test_listed_actors_show_what_they_say_of_themselves() -> None:
    async with testing.system() as system:
        described = await spawn(pul.remote(Described), name="d", system=system)
        await spawn(Counter, system=system)
        await testing.wait_until(lambda: described.ref._cell.metadata)
        rows = {row["name"]: row for row in await (await get_system_actor(system)).list_actors()}
        row = rows["actors/d"]
        assert row["actor_id"] == str(described.ref.actor_id.id)
        assert row["actor_type"].endswith("Described")
        assert row["uptime_secs"] >= 0
        assert row["metadata"]["model"] == "small"
        assert row["metadata"]["size"] == "7"
        assert sum(row["actor_type"] == NAME for row in rows.values()) == 1


async def asked(system: pul.ActorSystem, **question: Any) -> Any:
    answer = await (await system.system()).ask(Message.from_json("SystemMessage", question))
    assert answer.msg_type == "SystemResponse"
    return answer.to_json()


async def test_actors_are_found_and_stopped_by_message() -> None:
    async with testing.system() as system:
        await spawn(Counter, name="c", system=system)
        assert (await asked(system, type="GetActor", name="c"))["type"] == "ActorInfo"
        assert (await asked(system, type="StopActor", name="c")) == {"type": "Ok"}
        await testing.wait_until(lambda: users_actors(system) == [])
        for question in ({"type": "GetActor", "name": "c"}, {"type": "StopActor", "name": "c"}):
            assert (await asked(system, **question))["type"] == "Error"
        assert (await asked(system, type="StopActor", name="system/core"))["type"] == "Error"


async def test_no_actor_is_stopped_by_message_where_links_are_not_proven() -> None:
    async with testing.system() as system:
        await spawn(Counter, name="c", system=system)
        system.inner.creates_for_others = False
        answer = await asked(system, type="StopActor", name="c")
        assert (answer["type"], "proven" in answer["message"]) == ("Error", True)
        assert (await asked(system, type="GetActor", name="c"))["type"] == "ActorInfo"


@pytest.mark.parametrize(
    "message",
    [
        Message("SystemMessage", b"{"),
        Message("SystemMessage", b"\xff"),
        Message("SystemMessage", b"[" * 100_000),
        Message.from_json("X", {"type": "Nonsense"}),
        Message.from_json("X", {"type": ["Ping"]}),
        Message.from_json("X", {"type": "GetActor"}),
        Message.from_json("X", {"type": "StopActor", "name": 5}),
        Message.from_json("X", []),
        5,
    ],
)
async def test_what_is_not_understood_is_an_error_and_no_failure(message: Any) -> None:
    async with testing.system() as system:
        answer = await (await system.system()).ask(message)
        assert answer.to_json()["type"] == "Error"
        assert answer.to_json()["message"].startswith("not understood: ")
        assert (await (await get_system_actor(system)).ping())["type"] == "Pong"


async def test_the_service_creates_registered_classes() -> None:
    async with testing.system() as system:
        service = await get_python_actor_service(system)
        assert isinstance(service, PythonActorServiceProxy)
        assert service.ref.name == PYTHON_ACTOR_SERVICE_NAME
        assert NAME in await service.list_registry()
        created = await service.create_actor(NAME, 5, name="made", restart_policy="always")
        assert created["node_id"] == str(system.node_id.id)
        assert set(created["methods"]) >= {"incr", "slow_incr"}
        ref: Any = await system.resolve("made")
        assert str(ref.actor_id.id) == created["actor_id"]
        assert await ref.as_any().incr() == 6
        assert ref._cell.spec.policy.policy == "always"
        with pytest.raises(PulsingRuntimeError, match=r"Class 'no\.Such' not found"):
            await service.create_actor("no.Such")
        with pytest.raises(NodeNotFound):
            await get_python_actor_service(system, 77)


@pul.remote(restart_policy="on-failure", max_restarts=7)
class Steady:
    pass


async def test_a_class_that_is_created_by_its_name_keeps_its_policy() -> None:
    async with testing.system() as system:
        service = await get_python_actor_service(system)
        await service.create_actor(f"{__name__}.Steady", name="steady", min_backoff=0.5)
        ref: Any = await system.resolve("steady")
        policy = ref._cell.spec.policy
        assert (policy.policy, policy.max_restarts, policy.min_backoff) == ("on-failure", 7, 0.5)


async def test_the_service_takes_messages_too() -> None:
    async with testing.system() as system:
        ref = (await get_python_actor_service(system)).ref
        registry = await ref.ask(Message.from_json("ListRegistry", {}))
        assert (registry.msg_type, NAME in registry.to_json()["classes"]) == ("Registry", True)
        created = await ref.ask(Message.from_json("CreateActor", {"class_name": NAME, "args": [3], "name": "m"}))
        assert created.msg_type == "Created"
        unknown = await ref.ask(Message.from_json("Dance", {}))
        assert (unknown.msg_type, unknown.to_json()) == ("Error", {"error": "Unknown: Dance"})
        taken = await ref.ask(Message.from_json("CreateActor", {"class_name": NAME, "name": "m"}))
        assert taken.msg_type == "Error"


async def test_a_node_without_credentials_creates_nothing_for_others() -> None:
    async with testing.system() as system:
        system.inner.creates_for_others = False
        with pytest.raises(Forbidden):
            await (await get_python_actor_service(system)).create_actor(NAME)


async def test_a_metadata_hook_that_raises_or_hangs_leaves_the_actor_usable() -> None:
    class Raising:
        def metadata(self) -> Any:
            raise RuntimeError("no")

        def work(self) -> int:
            return 1

    class Hanging:
        async def metadata(self) -> Any:
            await asyncio.sleep(1000)

        def work(self) -> int:
            return 1

    async with testing.system() as system:
        for cls in (Raising, Hanging):
            actor = await spawn(pul.remote(cls), system=system)
            assert await actor.work() == 1
        assert len(await (await get_system_actor(system)).list_actors()) >= 4
