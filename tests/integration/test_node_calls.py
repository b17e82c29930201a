"""Actors of several nodes: calls, errors, streams, references and order over a network in memory."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import (
    ActorNotFound,
    ActorStopped,
    DeadlineExceeded,
    LinkLost,
    NameTaken,
    NodeDead,
    NodeLeaving,
    NodeNotFound,
    NotSendable,
    PulsingBusinessError,
    PulsingError,
    PulsingRuntimeError,
)
from pulsing.testing import cluster, run_virtual, wait_until
from tests.campaigns.noted import note

Run = Any


@dataclass(frozen=True)
class Point:
    x: int
    y: int


class Unreadable:
    """Can be sent, and built nowhere."""


def unreadable(_: object) -> Unreadable:
    raise ArithmeticError("not here")


pul.register_type(Unreadable, name="tests.unreadable", encode=lambda _: 1, decode=unreadable)


class Work:
    def __init__(self) -> None:
        self.seen: list[int] = []
        self.closed = 0

    def note(self, n: int) -> int:
        self.seen.append(n)
        return n

    def noted(self) -> list[int]:
        return self.seen

    def moved(self, point: Point) -> Point:
        return Point(point.x + 1, point.y)

    def missing(self) -> None:
        raise KeyError("gone")

    def unsendable(self) -> object:
        return object()

    def me(self) -> Any:
        return pul.current_actor().ref

    async def ask_other(self, other: pul.ActorProxy, n: int) -> int:
        return int(await other.note(n))

    async def hang(self) -> None:
        await asyncio.Event().wait()

    def numbers(self, n: int) -> Iterator[int]:
        yield from range(n)

    async def endless(self) -> AsyncIterator[int]:
        n = 0
        try:
            while True:
                yield n
                n += 1
        finally:
            self.closed += 1

    def large(self, n: int) -> Iterator[bytes]:
        for i in range(n):
            yield bytes([i]) * (1 << 20)

    def unreadable(self) -> Unreadable:
        return Unreadable()

    def unreadable_in_the_end(self) -> Iterator[Any]:
        yield 1
        yield Unreadable()

    def unsendable_in_the_end(self) -> Iterator[Any]:
        yield from (1, 2, object())

    async def failing(self) -> AsyncIterator[int]:
        yield 1
        yield 2
        raise ValueError("no more")

    def closings(self) -> int:
        return self.closed


Worker = pul.remote(Work)


@pytest.fixture
def virtual() -> Run:
    return run_virtual


def links(one: pul.ActorSystem, other: pul.ActorSystem) -> list[Any]:
    router: Any = one.inner.router
    return list(router.peer(other.node_id).links)


async def worker_elsewhere(systems: Any) -> pul.ActorProxy:
    await Worker.spawn(name="worker", system=systems[0])
    return await Worker.resolve("worker", system=systems[1], timeout=5)


def test_a_method_of_another_node_is_called_and_answers(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            assert await worker.note(3) == 3
            assert await worker.moved(Point(1, 2)) == Point(2, 2)

    virtual(scenario)


def test_an_error_arrives_as_both_kinds_with_the_remote_traceback(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            with pytest.raises(KeyError) as caught:
                await worker.missing()
            error = caught.value
            assert isinstance(error, PulsingBusinessError)
            assert (error.code, error.remote_type, error.actor_name) == (400, "KeyError", "actors/worker")
            assert "raise KeyError" in str(error.__cause__)

    virtual(scenario)


def test_one_way_calls_return_when_the_link_has_taken_them(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            began = systems[1].inner.now()
            one_way = worker.with_options(one_way=True)
            for _ in range(3):
                assert await one_way.hang() is None
            assert systems[1].inner.now() - began < 1
            with pytest.raises(NotSendable):
                await one_way.note(object())
            systems.kill(0)
            await wait_until(lambda: not links(systems[1], systems[0]))
            with pytest.raises(ConnectionError) as refused:
                await one_way.note(1)
            error: Any = refused.value
            assert error.maybe_executed is False

    virtual(scenario)


def test_a_value_that_cannot_travel_is_refused_before_anything_is_sent(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            with pytest.raises(NotSendable) as sent:
                await worker.note(object())
            assert sent.value.maybe_executed is False
            with pytest.raises(NotSendable) as answered:
                await worker.unsendable()
            assert answered.value.maybe_executed is True
            assert await worker.noted() == []

    virtual(scenario)


def test_what_cannot_be_built_at_the_other_end_says_whether_the_method_ran(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            for call, ran in ((worker.note(Unreadable()), False), (worker.unreadable(), True)):
                with pytest.raises(PulsingRuntimeError, match=r"cannot be read.*not here") as caught:
                    await call
                error: Any = caught.value
                assert error.maybe_executed is ran
            assert await worker.noted() == []
            with pytest.raises(PulsingRuntimeError, match="item cannot be read"):
                _ = [item async for item in worker.unreadable_in_the_end()]
            assert await worker.note(1) == 1

    virtual(scenario)


def test_streams_of_both_kinds_arrive_in_order(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            assert [n async for n in worker.numbers(500)] == list(range(500))
            got = []
            with pytest.raises(ValueError, match="no more"):
                async for n in worker.failing():
                    got.append(n)  # noqa: PERF401 - what came before the error counts
            assert got == [1, 2]

    virtual(scenario)


def test_large_items_of_a_stream_arrive_although_those_that_wait_are_too_large_together(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            assert [(item[0], len(item)) async for item in worker.large(40)] == [(n, 1 << 20) for n in range(40)]

    virtual(scenario)


def test_items_before_one_that_cannot_travel_arrive(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            got = []
            with pytest.raises(NotSendable, match="object") as caught:
                async for n in worker.unsendable_in_the_end():
                    got.append(n)  # noqa: PERF401 - what came before the error counts
            assert got == [1, 2]
            assert caught.value.maybe_executed is True

    virtual(scenario)


def test_leaving_a_stream_early_ends_its_producer(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            async for n in worker.endless():
                if n == 50:
                    break

            async def closed() -> bool:
                return bool(await worker.closings() == 1)

            await wait_until(closed)

    virtual(scenario)


def test_refs_and_proxies_travel_and_work_where_they_arrive(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            first = await worker_elsewhere(systems)
            second = await Worker.spawn(name="second", system=systems[2])
            assert await first.ask_other(second, 9) == 9
            assert await second.noted() == [9]
            ref = await first.me()
            assert ref == first.ref
            assert await ref.as_type(Worker).note(1) == 1

    virtual(scenario)


def test_any_node_refers_to_an_actor_by_its_id(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            made = await Worker.spawn(system=systems[0])
            ref = await systems[1].refer(str(made.ref.actor_id))
            assert await ref.as_type(Worker).note(5) == 5
            unknown = pul.ActorId.of(systems[0].node_id.id, 999_999)
            with pytest.raises(ActorNotFound):
                await systems[1].refer(unknown)
            with pytest.raises(NodeNotFound):
                await systems[1].refer(pul.ActorId.of(12345, 1))

    virtual(scenario)


def test_messages_issued_at_once_arrive_in_the_order_of_issue(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            await asyncio.gather(*(worker.note(n) for n in range(2_000)))
            assert await worker.noted() == list(range(2_000))

    virtual(scenario)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_ten_thousand_asks_at_once_all_succeed() -> None:
    async def scenario() -> None:
        async with cluster(2, transport="websocket") as systems:
            worker = await worker_elsewhere(systems)
            before = resident_bytes()
            answers = await asyncio.gather(*(worker.note(n) for n in range(10_000)))
            took = resident_bytes() - before
            assert answers == list(range(10_000))
            note(calls_at_once=len(answers), failed=0, memory_MiB=took / 1024**2)
            assert took < 128 * 1024 * 1024

    asyncio.run(scenario())


def test_a_killed_node_fails_open_asks_at_once_and_is_then_dead(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            worker = await worker_elsewhere(systems)
            hanging = [asyncio.ensure_future(worker.hang()) for _ in range(100)]
            await worker.note(1)
            systems.kill(0)
            killed_at = systems[1].inner.now()
            results = await asyncio.gather(*hanging, return_exceptions=True)
            assert systems[1].inner.now() - killed_at <= 0.25
            assert all(isinstance(result, LinkLost) and result.maybe_executed for result in results)

            def dead_for_all() -> bool:
                return all(
                    [m.status for m in s.inner.members_view() if m.node_id == systems[0].node_id] == ["Dead"]
                    for s in systems[1:]
                )

            await wait_until(dead_for_all)
            with pytest.raises(NodeDead) as refused:
                await worker.note(2)
            assert refused.value.maybe_executed is False
            with pytest.raises(ActorNotFound):
                await systems[1].resolve("worker")

    virtual(scenario)


def test_a_watch_tells_of_the_end_of_an_actor_and_of_its_node(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            first = await Worker.spawn(system=systems[0])
            await Worker.spawn(name="second", system=systems[0])
            watched = await systems[1].refer(first.ref.actor_id)
            other = await systems[1].resolve("second", timeout=5)
            ended, lost = watched.watch(), other.watch()
            assert await systems[1].stop(watched)
            assert (await ended).reason == "stopped"
            systems.kill(0)
            assert ((await lost).reason, (await lost).name) == ("node_dead", "actors/second")


class Slow(pul.Actor):
    """Answers after so many seconds."""

    async def receive(self, msg: float) -> float:
        await asyncio.sleep(msg)
        return msg


@pytest.mark.parametrize("by", [0, 1])
@pytest.mark.parametrize(
    ("timeout", "work", "took", "answer"),
    [(30.0, 100.0, 30.0, ActorStopped), (60.0, 50.0, 49.0, float), (None, 80.0, 79.0, float)],
)
def test_a_stop_gives_the_running_message_its_time_on_any_node(
    virtual: Run, by: int, timeout: float | None, work: float, took: float, answer: type
) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            now = asyncio.get_running_loop().time
            slow = await systems[0].spawn(Slow())
            running = slow.ask(work, timeout=None)
            await asyncio.sleep(1)
            began = now()
            assert await systems[by].stop(slow.actor_id, timeout=timeout) is True
            assert now() - began == pytest.approx(took, abs=0.5)
            answers: Any = await asyncio.gather(running, return_exceptions=True)
            assert type(answers[0]) is answer
            assert await systems[by].stop(slow.actor_id) is False

    virtual(scenario)


def test_a_stop_whose_node_dies_meanwhile_has_stopped_the_actor(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            slow = await systems[0].spawn(Slow())
            running = slow.ask(1000.0, timeout=None)
            stopping = asyncio.ensure_future(systems[1].stop(slow.actor_id, timeout=None))
            await asyncio.sleep(1)
            systems.kill(0)
            assert await stopping is True
            running.cancel()

    virtual(scenario)


@pytest.mark.parametrize("killed", [True, False])
def test_an_actor_whose_node_is_gone_has_ended_and_is_not_there_to_stop(virtual: Run, killed: bool) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            await Worker.spawn(name="worker", system=systems[0])
            worker = await systems[1].resolve("worker", timeout=5)
            if killed:
                systems.kill(0)
            else:
                await systems[0].shutdown()
            await worker.watch()
            reason = "node_dead" if killed else "shutdown"
            end = await worker.watch()
            assert (end.reason, end.name, end.node_id) == (reason, "actors/worker", systems[0].node_id)
            assert await systems[1].stop(worker) is False
            assert await systems[1].stop(pul.ActorId.of(5, 20)) is False
            before = systems[1].dead_letters.counts.get("node_dead", 0)
            with pytest.raises(NodeDead if killed else NodeLeaving):
                await worker.tell("lost")
            assert systems[1].dead_letters.counts["node_dead"] == before + 1

    virtual(scenario)


def test_a_watch_from_another_node_tells_by_what_an_actor_failed(virtual: Run) -> None:
    class Lapse(pul.PulsingSystemError, OSError):
        """Known on the actor's node only."""

    class Frail:
        def fall(self) -> None:
            raise Lapse("no disk", recoverable=False)

    async def scenario() -> None:
        async with cluster(2) as systems:
            for policy, reason in (("never", "failed"), ("on-failure", "restart_limit")):
                cls: Any = pul.remote(restart_policy=policy, max_restarts=0)(Frail)
                await cls.spawn(name=reason, system=systems[0])
                frail = await cls.resolve(reason, system=systems[1], timeout=5)
                watched = frail.ref.watch()
                with pytest.raises(OSError, match="no disk") as caught:
                    await frail.fall()
                end = await watched
                seen: Any = caught.value
                assert (end.reason, end.name) == (reason, f"actors/{reason}")
                assert isinstance(end.error, pul.PulsingSystemError)
                assert type(end.error) is type(seen)
                assert vars(end.error) == vars(seen)
                assert str(end.error.remote_type).endswith("Lapse")
                assert "raise Lapse" in str(end.error.__cause__)

    virtual(scenario)


def test_a_call_that_nobody_answers_ends_at_its_deadline(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            with pytest.raises(DeadlineExceeded):
                await worker.with_options(timeout=2).hang()
            with pytest.raises(ValueError, match="deadline"):
                await worker.with_options(timeout=None).note(1)

    virtual(scenario)


def test_spawn_places_actors_on_other_nodes(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            away = await Worker.spawn(name="away", system=systems[1], placement="remote")
            assert away.ref.node_id == systems[0].node_id
            assert await away.note(1) == 1
            there = await Worker.spawn(system=systems[1], placement=systems[0].node_id)
            assert await there.note(2) == 2
            with pytest.raises(NodeNotFound):
                await Worker.spawn(system=systems[1], placement=77)
            with pytest.raises(NameTaken):
                await Worker.spawn(name="away", system=systems[1], placement=systems[0].node_id.id)

    virtual(scenario)


def test_options_of_a_class_hold_on_other_nodes_too(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            chosen = Worker.with_options(
                mailbox=pul.MailboxOptions(7, "reject"), max_concurrency=3, restart_policy="always", max_restarts=9
            )
            worker = await chosen.spawn(system=systems[1], placement="remote")
            cell = systems[0].inner.registry.by_id(worker.ref.actor_id)
            assert cell is not None
            spec = cell.spec
            assert (spec.mailbox.capacity, spec.mailbox.policy, spec.max_concurrency) == (7, "reject", 3)
            assert (spec.policy.policy, spec.policy.max_restarts) == ("always", 9)

    virtual(scenario)


def test_replicas_are_resolved_in_turn_and_each_by_its_node(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            for system in systems[:2]:
                await Worker.spawn(name="replica", system=system)
            await wait_until(lambda: len(systems[2].inner.names.instances("actors/replica")) == 2)
            nodes = {(await systems[2].resolve("replica")).node_id for _ in range(4)}
            assert nodes == {systems[0].node_id, systems[1].node_id}
            pinned = await systems[2].resolve("replica", node_id=systems[1].node_id)
            assert pinned.node_id == systems[1].node_id
            with pytest.raises(NodeNotFound):
                await systems[2].resolve("replica", node_id=systems[2].node_id)

    virtual(scenario)


def test_a_private_name_stays_on_its_node(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            await Worker.spawn(name="hidden", public=False, system=systems[0])
            await Worker.spawn(name="shown", system=systems[0])
            await systems[1].resolve("shown", timeout=5)
            with pytest.raises(ActorNotFound):
                await systems[1].resolve("hidden")

    virtual(scenario)


def test_asks_to_an_actor_that_has_ended_elsewhere_say_so(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            worker = await worker_elsewhere(systems)
            await systems[0].stop("worker")
            with pytest.raises(ActorStopped):
                await worker.note(1)

    virtual(scenario)


def test_both_ways_at_once_two_nodes_end_with_one_link_and_lose_nothing(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            left = await Worker.spawn(name="left", system=systems[1])
            right = await Worker.spawn(name="right", system=systems[2])
            to_left = await Worker.resolve("left", system=systems[2], timeout=5)
            to_right = await Worker.resolve("right", system=systems[1], timeout=5)
            for one, other in ((systems[1], systems[2]), (systems[2], systems[1])):
                for link in links(one, other):
                    link.connection.abort()
            await wait_until(lambda: not links(systems[1], systems[2]) and not links(systems[2], systems[1]))
            calls = [call for n in range(200) for call in (to_left.note(n), to_right.note(n))]
            assert await asyncio.gather(*calls) == [n for n in range(200) for _ in range(2)]
            for worker in (left, right):
                assert await worker.noted() == list(range(200))
            await wait_until(lambda: len(links(systems[1], systems[2])) == 1)

    virtual(scenario)


def test_a_message_to_a_node_nobody_knows_is_a_typed_error(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            ref = systems[0].inner.bind(pul.ActorId.of(4711, 5))
            with pytest.raises(NodeNotFound):
                await ref.ask("hello")
            with pytest.raises(PulsingError):
                await ref.tell("hello")

    virtual(scenario)


def test_a_node_that_shuts_down_says_so_and_is_no_member_any_more(virtual: Run) -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            leaving = systems[2]
            await leaving.shutdown()
            await wait_until(lambda: len(systems[0].inner.members_view()) == 2)
            with pytest.raises(PulsingRuntimeError):
                await Worker.spawn(system=leaving)

    virtual(scenario)


async def test_nodes_of_one_host_are_told_apart_by_a_number() -> None:
    first = await pul.actor_system("127.0.0.1:0", admin=False)
    second = await pul.actor_system("127.0.0.1:0", seeds=[first.addr], admin=False)
    assert second.inner.node_name == f"{first.inner.node_name}-2"
    await second.shutdown()
    await first.shutdown()


async def test_nodes_that_join_at_once_are_told_apart_as_well() -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(await pul.actor_system("127.0.0.1:0", admin=False))
        joining = [pul.actor_system("127.0.0.1:0", seeds=[first.addr], admin=False) for _ in range(4)]
        others = [await stack.enter_async_context(each) for each in await asyncio.gather(*joining)]
        nodes = [first, *others]

        async def told_apart() -> bool:
            names = {node.inner.node_name for node in nodes}
            seen = [{row["name"] for row in await node.inner.inspect("members", {})} for node in nodes]
            return len(names) == len(nodes) and all(each == names for each in seen)

        await wait_until(told_apart, timeout=30)


async def test_a_node_that_was_there_before_its_seed_makes_room_for_its_name(free_port: int) -> None:
    seed = f"127.0.0.1:{free_port}"
    async with await pul.actor_system("127.0.0.1:0", seeds=[seed], admin=False) as early:
        plain = early.inner.node_name
        async with await pul.actor_system(seed, admin=False) as first:
            await wait_until(lambda: early.inner.node_name == f"{plain}-2", timeout=30)
            assert first.inner.node_name == plain
