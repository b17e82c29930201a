"""Links between nodes under pressure: order, room, cancelling, deadlines, loss, and what a hostile peer may try."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import ActorStopped, AuthFailed, DeadlineExceeded, LinkLost, PulsingError, PulsingRuntimeError
from pulsing.ids import NodeId
from pulsing.node.rows import link_row
from pulsing.testing import cluster, run_virtual, wait_until
from pulsing.transport import DialFailed
from pulsing.wire import (
    Ask,
    Cancel,
    Credit,
    End,
    Frame,
    FrameCodec,
    Full,
    Goodbye,
    Ping,
    Reply,
    Room,
    StreamItem,
    Tell,
)
from pulsing.wire.limits import PORTION
from pulsing.wire.session import PENDING_ASKS, STREAM_CREDIT, WINDOW_FRAMES

LARGE = bytes(3 * 1024 * 1024)


@pul.remote
class Notes:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.produced = 0
        self.left = False

    def note(self, n: Any) -> Any:
        self.seen.append(n if not isinstance(n, bytes) else len(n))
        return n if not isinstance(n, bytes) else len(n)

    def noted(self) -> list[Any]:
        return self.seen

    def large(self) -> bytes:
        return LARGE

    def counting(self) -> Iterator[int]:
        for n in range(1_000):
            self.produced = n + 1
            yield n

    async def endless(self) -> AsyncIterator[int]:
        try:
            while True:
                yield self.produced
                self.produced += 1
        finally:
            self.left = True

    def progress(self) -> tuple[int, bool]:
        return self.produced, self.left


@pul.remote(max_concurrency=1, mailbox=4)
class Narrow:
    """Takes one message at a time, and the next only when it is told to go on."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.gate = asyncio.Event()

    async def note(self, n: int) -> int:
        await self.gate.wait()
        self.seen.append(n)
        return n


@pul.remote(cancellable=True)
class Cancellable:
    def __init__(self) -> None:
        self.cancelled = 0

    async def hang(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    def count(self) -> int:
        return self.cancelled


async def elsewhere(systems: Any, cls: Any, name: str, owner: int = 0, user: int = 1) -> Any:
    """A proxy, on one system, of an actor of another."""
    await cls.spawn(name=name, system=systems[owner])
    return await cls.resolve(name, system=systems[user], timeout=5)


def instance(system: Any, name: str) -> Any:
    """The object behind a name."""
    return system.inner.registry.by_path(f"actors/{name}").actor


def node_of(system: Any) -> Any:
    return system.inner.router


def links(system: Any, other: Any) -> list[Any]:
    return list(node_of(system).peer(other.node_id).links)


# --- order -----------------------------------------------------------------------------------------------------------


def test_a_small_message_overtakes_a_large_one_to_another_actor_and_both_arrive() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            slow, quick = await elsewhere(systems, Notes, "slow"), await elsewhere(systems, Notes, "quick")
            order: list[str] = []
            first = asyncio.ensure_future(slow.note(LARGE))
            first.add_done_callback(lambda _: order.append("large"))
            await asyncio.sleep(0)
            assert await quick.note(0) == 0
            order.append("small")
            for n in range(1, 20):
                assert await quick.note(n) == n
            assert await first == len(LARGE)
            assert order == ["small", "large"]
            assert await quick.noted() == list(range(20))
            assert len(links(systems[0], systems[1])) == 1

    run_virtual(scenario)


def test_messages_to_one_actor_keep_their_order_around_large_ones() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            await asyncio.gather(*(notes.note(LARGE if n % 5 == 0 else n) for n in range(20)))
            assert await notes.noted() == [len(LARGE) if n % 5 == 0 else n for n in range(20)]

    run_virtual(scenario)


def test_order_holds_while_links_are_broken_again_and_again() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            back = await elsewhere(systems, Notes, "back", owner=1, user=0)
            chance = random.Random(5)
            results: list[Any] = []
            for burst in range(30):
                calls = [notes.note(burst * 100 + n) for n in range(20)] + [back.note(burst) for _ in range(3)]
                if chance.random() < 0.3:
                    calls.append(notes.note(LARGE))
                pending = asyncio.gather(*calls, return_exceptions=True)
                await asyncio.sleep(chance.random() * 0.01)
                for system, other in chance.sample([(systems[0], systems[1]), (systems[1], systems[0])], 1):
                    for link in links(system, other):
                        link.connection.abort()
                results += await pending
            seen = [n for n in instance(systems[0], "notes").seen if n != len(LARGE)]
            assert seen == sorted(set(seen))
            assert all(isinstance(r, (int, LinkLost)) for r in results)
            lost = [r for r in results if isinstance(r, LinkLost)]
            assert len(seen) >= 30 * 20 - len(lost)

    run_virtual(scenario)


def test_a_node_that_was_given_up_and_came_back_is_heard_again() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            for n in range(50):
                await notes.note(n)
            node = node_of(systems[1])
            node.forget(systems[0].node_id)
            await asyncio.sleep(1)
            assert await notes.note(50) == 50
            assert await notes.noted() == list(range(51))

    run_virtual(scenario)


def test_a_large_answer_survives_the_end_of_the_link_that_it_comes_over() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            answer = asyncio.ensure_future(notes.large())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for link in links(systems[1], systems[0]):
                link.retire()
            assert await answer == LARGE
            assert await notes.note(1) == 1

    run_virtual(scenario)


# --- room ------------------------------------------------------------------------------------------------------------


def test_a_full_actor_holds_back_its_own_messages_and_no_others() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            narrow, notes = await elsewhere(systems, Narrow, "narrow"), await elsewhere(systems, Notes, "notes")
            count = 4 * WINDOW_FRAMES
            calls = [asyncio.ensure_future(narrow.note(n)) for n in range(count)]
            for n in range(50):
                assert await notes.with_options(timeout=1).note(n) == n
            await asyncio.sleep(1)
            peer = node_of(systems[1]).peer(systems[0].node_id)
            assert peer.waiting > count // 2
            assert not any(call.done() for call in calls)
            assert 1 <= link_row(peer.link)["backpressure_s_total"] < 2
            instance(systems[0], "narrow").gate.set()
            assert await asyncio.gather(*calls) == list(range(count))
            assert instance(systems[0], "narrow").seen == list(range(count))
            assert peer.waiting == 0
            waited = link_row(peer.link)["backpressure_s_total"]
            await asyncio.sleep(1)
            assert link_row(peer.link)["backpressure_s_total"] == waited

    run_virtual(scenario)


def test_a_full_actor_that_ends_fails_what_waits_for_room_and_logs_no_error_about_it() -> None:
    said: list[str] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: said.append(context["message"]))
        async with cluster(2) as systems:
            narrow = await elsewhere(systems, Narrow, "narrow")
            calls = [asyncio.ensure_future(narrow.note(n)) for n in range(20)]
            for n in range(20):
                await narrow.with_options(one_way=True).note(n)
            await asyncio.sleep(1)
            assert await systems[0].stop("narrow", timeout=0)
            for error in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(error, ActorStopped)
            gc.collect()

    run_virtual(scenario)
    assert said == []


def test_large_values_wait_for_room_and_small_calls_to_others_pass_them() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes, others = await elsewhere(systems, Notes, "notes"), await elsewhere(systems, Notes, "others")
            large = [asyncio.ensure_future(notes.note(LARGE)) for _ in range(12)]
            await asyncio.sleep(0)
            peer = node_of(systems[1]).peer(systems[0].node_id)
            assert peer.waiting >= 8
            assert await others.note(1) == 1
            assert not all(call.done() for call in large)
            assert await asyncio.gather(*large, notes.note("last")) == [len(LARGE)] * 12 + ["last"]
            assert await notes.noted() == [len(LARGE)] * 12 + ["last"]

    run_virtual(scenario)


def test_messages_that_wait_for_a_full_actor_keep_their_deadlines() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            narrow = await elsewhere(systems, Narrow, "narrow")
            calls = [asyncio.ensure_future(narrow.with_options(timeout=2).note(n)) for n in range(600)]
            results = await asyncio.gather(*calls, return_exceptions=True)
            unsent = 0
            for result in results:
                assert isinstance(result, DeadlineExceeded)
                unsent += not result.maybe_executed
            # What went over the link may have been run, for all that the caller knows.
            assert len(results) - WINDOW_FRAMES <= unsent < len(results)
            instance(systems[0], "narrow").gate.set()
            assert await narrow.note(-1) == -1
            assert len(instance(systems[0], "narrow").seen) <= 2

    run_virtual(scenario)


def test_a_link_that_is_lost_takes_no_messages_for_full_actors_with_it() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            narrow = await elsewhere(systems, Narrow, "narrow")
            calls = [asyncio.ensure_future(narrow.note(n)) for n in range(2 * WINDOW_FRAMES)]
            await asyncio.sleep(0.5)
            for link in links(systems[1], systems[0]):
                link.connection.abort()
            await asyncio.sleep(0.5)
            instance(systems[0], "narrow").gate.set()
            results = await asyncio.gather(*calls, return_exceptions=True)
            answered = [r for r in results if isinstance(r, int)]
            assert len(answered) >= WINDOW_FRAMES // 2
            assert all(isinstance(r, (int, LinkLost)) for r in results)
            seen = instance(systems[0], "narrow").seen
            assert seen == sorted(set(seen))

    run_virtual(scenario)


def test_asks_above_the_limit_of_open_ones_wait_for_their_turn() -> None:
    async def scenario() -> None:
        async with cluster(2, pending_asks=20) as systems:
            hanging = await elsewhere(systems, Cancellable, "hanging")
            calls = [asyncio.ensure_future(hanging.hang()) for _ in range(20)]
            late = asyncio.ensure_future(hanging.with_options(timeout=60).count())
            await asyncio.sleep(1)
            assert not late.done()
            calls[0].cancel()
            assert await late == 1
            for call in calls:
                call.cancel()

    run_virtual(scenario)


# --- cancelling and deadlines ----------------------------------------------------------------------------------------


def test_a_message_that_was_cancelled_before_its_turn_is_not_run() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            narrow = await elsewhere(systems, Narrow, "narrow")
            calls = [asyncio.ensure_future(narrow.note(n)) for n in range(3)]
            await asyncio.sleep(0.5)
            calls[1].cancel()
            await asyncio.sleep(0.5)
            instance(systems[0], "narrow").gate.set()
            assert await calls[2] == 2
            assert instance(systems[0], "narrow").seen == [0, 2]

    run_virtual(scenario)


def test_a_running_method_is_cancelled_where_its_class_allows_it() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            hanging = await elsewhere(systems, Cancellable, "hanging")
            call = asyncio.ensure_future(hanging.hang())
            await asyncio.sleep(0.5)
            call.cancel()
            await wait_until(lambda: instance(systems[0], "hanging").cancelled == 1)
            with pytest.raises(DeadlineExceeded):
                await hanging.with_options(timeout=1).hang()
            await wait_until(lambda: instance(systems[0], "hanging").cancelled == 2)

    run_virtual(scenario)


def test_a_message_whose_time_is_over_is_not_run() -> None:
    async def scenario() -> None:
        async with cluster(2, delay=0.3) as systems:
            narrow = await elsewhere(systems, Narrow, "narrow")
            first = asyncio.ensure_future(narrow.note(0))
            await asyncio.sleep(0)
            with pytest.raises(DeadlineExceeded):
                await narrow.with_options(timeout=1).note(1)
            await asyncio.sleep(1)
            instance(systems[0], "narrow").gate.set()
            assert await first == 0
            assert await narrow.note(2) == 2
            assert instance(systems[0], "narrow").seen == [0, 2]

    run_virtual(scenario)


def test_the_deadline_travels_as_what_remains_of_it() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            arrived: list[Any] = []
            deliver = systems[0].inner.deliver
            systems[0].inner.deliver = lambda envelope: arrived.append(envelope) or deliver(envelope)  # type: ignore[method-assign, func-returns-value]
            await notes.with_options(timeout=9).note(1)
            assert arrived[0].timeout == pytest.approx(9, abs=0.01)
            assert arrived[0].deadline == pytest.approx(systems[0].inner.now() + 9, abs=0.1)

    run_virtual(scenario)


# --- loss ------------------------------------------------------------------------------------------------------------


def test_a_lost_link_tells_what_was_sent_from_what_was_not() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            narrow = await elsewhere(systems, Narrow, "narrow")
            calls = [asyncio.ensure_future(narrow.note(n)) for n in range(2 * WINDOW_FRAMES)]
            await asyncio.sleep(0.5)
            systems.kill(0)
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(result, PulsingRuntimeError) for result in results)
            executed = [result.maybe_executed for result in results if isinstance(result, PulsingRuntimeError)]  # type: ignore[attr-defined]
            assert executed == sorted(executed, reverse=True)
            assert any(executed) and not all(executed)
            # Of the node that nobody hears any more: what it got, it may run, and nothing else.
            instance(systems[0], "narrow").gate.set()
            await asyncio.sleep(1)
            seen = instance(systems[0], "narrow").seen
            assert seen and all(executed[n] for n in seen)

    run_virtual(scenario)


def test_a_tell_that_was_sent_is_lost_in_silence_and_one_that_waits_fails() -> None:
    async def scenario() -> None:
        async with cluster(3) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            one_way = notes.with_options(one_way=True)
            await one_way.note(1)
            systems.kill(0)
            await wait_until(lambda: not links(systems[1], systems[0]))
            with pytest.raises(PulsingError):
                await one_way.note(2)

    run_virtual(scenario)


def test_a_watch_outlives_the_link_that_it_was_asked_over() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            ended = notes.ref.watch()
            await notes.note(1)
            for link in links(systems[1], systems[0]):
                link.connection.abort()
            await asyncio.sleep(1)
            assert not ended.done()
            await systems[0].stop("notes")
            end = await ended
            assert (end.reason, end.node_id) == ("stopped", systems[0].node_id)

    run_virtual(scenario)


def test_watching_an_actor_that_has_ended_tells_so_at_once() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            await systems[0].stop("notes")
            assert (await notes.ref.watch()).reason == "stopped"

    run_virtual(scenario)


# --- values ----------------------------------------------------------------------------------------------------------


def test_arguments_that_cannot_be_read_fail_one_call_and_leave_the_link_alone() -> None:
    @dataclass
    class OnlyThere:
        x: int

    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            await notes.note(0)
            before = links(systems[1], systems[0])
            node_of(systems[1])._registry.register(OnlyThere, name="only:there")
            with pytest.raises(PulsingRuntimeError, match="cannot be read"):
                await notes.note(OnlyThere(1))
            assert await notes.note(1) == 1
            assert links(systems[1], systems[0]) == before
            assert systems[0].inner.dead_letters.counts["decode"] == 1

    run_virtual(scenario)


# --- streams ---------------------------------------------------------------------------------------------------------


def test_a_producer_waits_for_its_reader() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            items = notes.counting().__aiter__()
            assert await items.__anext__() == 0
            await asyncio.sleep(1)
            produced, _ = await notes.progress()
            assert produced <= 4 * STREAM_CREDIT
            assert [n async for n in items] == list(range(1, 1_000))

    run_virtual(scenario)


def test_a_reader_that_stands_still_holds_up_no_other_stream() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes, others = await elsewhere(systems, Notes, "notes"), await elsewhere(systems, Notes, "others")
            stalled = notes.endless().__aiter__()
            await stalled.__anext__()
            assert [n async for n in others.counting()] == list(range(1_000))
            assert await notes.note(1) == 1

    run_virtual(scenario)


def test_a_stream_whose_link_is_lost_ends_with_that_error_and_its_producer_ends_too() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            got = 0
            with pytest.raises(LinkLost):
                async for _ in notes.endless():
                    got += 1
                    if got == 100:
                        for link in links(systems[1], systems[0]):
                            link.connection.abort()
            assert got >= 100
            await wait_until(lambda: instance(systems[0], "notes").left)

    run_virtual(scenario)


# --- hostile peers ---------------------------------------------------------------------------------------------------


class Hostile:
    """A proven connection that says what it likes."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.lost = False
        self.codec = FrameCodec(pul_codec())

    def say(self, *frames: Frame) -> None:
        self.connection.send([self.codec.encode(frame).head for frame in frames])

    def on_message(self, data: bytes | bytearray) -> None: ...

    def on_lost(self, error: Exception | None) -> None:
        self.lost = True

    def on_blocked(self) -> None: ...

    def on_writable(self) -> None: ...


def pul_codec() -> Any:
    from pulsing.wire import Codec

    return Codec()


async def intruder(systems: Any, number: int = 0) -> Hostile:
    """A stranger with the right credentials, connected to the first system."""
    transport = systems._network.transport(f"evil{number}", NodeId())
    found: list[Hostile] = []

    def attach(connection: Any) -> Hostile:
        found.append(Hostile(connection))
        return found[0]

    await transport.dial(systems[0].addr, attach)
    return found[0]


ILLEGAL: dict[str, list[Frame]] = {
    "answer to nothing": [Reply(1, "x")],
    "items of nothing": [StreamItem(1, ("x",))],
    "end of nothing": [End(1)],
    "cancel of nothing": [Cancel(1)],
    "credit for nothing": [Credit(1, 5)],
    "room that was not taken": [Credit(0, 1)],
    "a number twice": [Ask(1, 1 << 64, "x"), Ask(1, 1 << 64, "x")],
    "a number far ahead": [Ask(WINDOW_FRAMES + 1, 1 << 64, "x")],
    "news after goodbye": [Goodbye(), Tell(1 << 64, "x")],
    "full twice": [Full(1), Full(1)],
    "room without full": [Room(1)],
}


@pytest.mark.parametrize("what", ILLEGAL)
def test_a_frame_that_breaks_the_protocol_ends_that_link_and_nothing_else(what: str) -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            hostile = await intruder(systems)
            hostile.say(*ILLEGAL[what])
            await wait_until(lambda: hostile.lost)
            assert await notes.note(1) == 1

    run_virtual(scenario)


def test_long_messages_are_taken_in_over_many_turns_and_in_order() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            hostile = await intruder(systems)
            target = notes.ref.actor_id.id
            await wait_until(lambda: len(node_of(systems[0]).links()) == 2)
            link = node_of(systems[0]).links()[-1]
            tells = [Tell(target, "note", ([n] + [{}] * 1_000,), sequence=n) for n in range(1, 901)]
            for start in range(0, 900, 300):
                hostile.say(*tells[start : start + 300])
            taken = [0]
            while taken[-1] < 900:
                await asyncio.sleep(0)
                taken.append(link.frames_in)
            assert max(after - before for before, after in itertools.pairwise(taken)) <= 2 * (PORTION // 1_000)
            await wait_until(lambda: len(instance(systems[0], "notes").seen) == 900)
            assert [seen[0] for seen in instance(systems[0], "notes").seen] == list(range(1, 901))

    run_virtual(scenario)


OPENED = int(os.environ.get("PULSING_STREAM_OPENS", "5000"))
"""A million is the long form."""


def test_streams_that_are_opened_without_end_are_bounded_and_leave_nothing_behind() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            hostile = await intruder(systems)
            target = notes.ref.actor_id.id
            cell: Any = systems[0].inner.registry.by_path("actors/notes")
            counters = cell.counters
            numbers = itertools.count(1)
            for _ in range(OPENED // 100):
                opened = [next(numbers) for _ in range(100)]
                hostile.say(*(Ask(n, target, "endless", stream=True, sequence=n) for n in opened))
                # Half of them are taken back before their turn, the others when their first items are out.
                hostile.say(*(Cancel(n) for n in opened[:50]))
                before = counters.streams
                await wait_until(lambda: counters.streams >= before + 50)  # noqa: B023
                hostile.say(*(Cancel(n) for n in opened[50:]))
                await asyncio.sleep(0)
                assert counters.streams_open <= 400
            assert await notes.note(1) == 1
            await wait_until(lambda: counters.streams_open == 0)
            # Those that are left open and never read are asks that are open, of which there is a number.
            while not hostile.lost:
                hostile.say(*(Ask(n, target, "endless", stream=True, sequence=n) for n in _next(numbers, 500)))
                await asyncio.sleep(0)
                assert counters.streams_open <= PENDING_ASKS
            assert await notes.note(2) == 2
            await wait_until(lambda: counters.streams_open == 0)

    run_virtual(scenario, limit=100_000.0)


def _next(numbers: Iterator[int], count: int) -> list[int]:
    return list(itertools.islice(numbers, count))


def test_a_peer_that_ignores_a_full_actor_is_cut_off() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            narrow, notes = await elsewhere(systems, Narrow, "narrow"), await elsewhere(systems, Notes, "notes")
            hostile = await intruder(systems)
            target = narrow.ref.actor_id.id
            for n in range(3 * WINDOW_FRAMES):
                hostile.say(Tell(target, "note", (n,), sequence=n + 1))
                await asyncio.sleep(0)
            await wait_until(lambda: hostile.lost)
            assert await notes.note(1) == 1

    run_virtual(scenario)


def test_any_bytes_from_a_proven_peer_leave_the_other_peers_alone() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            target = notes.ref.actor_id.id
            chance = random.Random(3)
            codec = FrameCodec(pul_codec())
            samples = [
                codec.encode(frame).head
                for frame in (
                    Ask(1, target, "note", (1, "a", [2, {"k": 3}]), {}, 30_000, False, bytes(25), 7, 1),
                    Tell(target, "note", ("x",), {}, None, None, 2),
                    Reply(1, {"a": 1}),
                    Credit(0, 1),
                    Ping(1),
                    Full(target),
                )
            ]
            for number in range(150):
                hostile = await intruder(systems, number)
                for _ in range(chance.randrange(1, 8)):
                    hostile.connection.send(mutated(chance, chance.choice(samples)))
                if number % 10 == 0:
                    assert await notes.note(number) == number
                await asyncio.sleep(0)
                hostile.connection.abort()
            assert await notes.note("end") == "end"
            await wait_until(lambda: len(node_of(systems[0]).links()) == 1)

    run_virtual(scenario)


def mutated(chance: random.Random, data: bytes) -> bytes:
    """The bytes with some of them changed, cut off, doubled, or all replaced."""
    choice = chance.randrange(5)
    if choice == 0:
        return data
    if choice == 1:
        return chance.randbytes(chance.randrange(200))
    if choice == 2:
        return data[: chance.randrange(len(data))]
    changed = bytearray(data * chance.randrange(1, 3))
    for _ in range(chance.randrange(1, 6)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


# --- dialling --------------------------------------------------------------------------------------------------------


def test_an_address_that_refused_our_secret_is_left_alone_for_half_a_minute() -> None:
    async def scenario() -> None:
        async with cluster(1) as systems:
            node = node_of(systems[0])
            attempts: list[float] = []

            async def refuse(addr: str, attach: Any) -> Any:
                attempts.append(systems[0].inner.now())
                raise AuthFailed(addr, "another secret")

            node._transport.dial = refuse
            for _ in range(100):
                node.dial("stranger:7000")
                await asyncio.sleep(1)
            gaps = [later - earlier for earlier, later in itertools.pairwise(attempts)]
            assert 3 <= len(attempts) <= 4
            assert min(gaps) >= 30

    run_virtual(scenario)


def test_a_member_that_cannot_be_reached_is_not_dialled_for_every_message() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            node, dials = node_of(systems[1]), []

            class Unreachable:
                async def dial(self, addr: str, attach: Any) -> Any:
                    dials.append(systems[1].inner.now())
                    raise DialFailed(addr, "no way to it")

            reachable, node._transport = node._transport, Unreachable()
            for link in links(systems[1], systems[0]):
                link.connection.abort()
            await wait_until(lambda: not links(systems[1], systems[0]))
            begun = systems[1].inner.now()
            errors: list[Any] = []
            while systems[1].inner.now() < begun + 20 and len(errors) < 10_000:
                errors += await asyncio.gather(*(notes.note(n) for n in range(10)), return_exceptions=True)
            assert all(isinstance(error, LinkLost) and not error.maybe_executed for error in errors)
            assert 4 <= len(dials) <= 15
            waiting = asyncio.ensure_future(notes.note(1))
            await asyncio.sleep(0.01)
            node._transport = reachable
            assert await waiting == 1

    run_virtual(scenario)


def test_a_lively_link_is_not_replaced_by_another_dial() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            notes = await elsewhere(systems, Notes, "notes")
            call = asyncio.ensure_future(notes.note(LARGE))
            await asyncio.sleep(0)
            before = links(systems[1], systems[0])
            node_of(systems[1]).dial(systems[0].addr)
            assert await call == len(LARGE)
            assert links(systems[1], systems[0]) == before

    run_virtual(scenario)
