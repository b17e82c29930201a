"""Topics on one node: modes, acknowledgements, slow and failing subscribers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import NameTaken
from pulsing.streaming import (
    PublishMode,
    PublishResult,
    TopicReader,
    TopicWriter,
    get_topic_broker,
    read_topic,
    subscribe_to_topic,
    write_topic,
)
from pulsing.streaming import pubsub as pubsub_module
from pulsing.streaming.topics import audience, fanout
from pulsing.streaming.topics.subscriber import MAX_CONSECUTIVE_FAILURES
from pulsing.testing import cluster


async def started(system: Any, name: str, callback: Any, topic: str = "t") -> TopicReader:
    reader: TopicReader = await system.topic.read(topic, reader_id=name)
    reader.add_callback(callback)
    await reader.start()
    return reader


def broker_of(system: Any, topic: str = "t") -> Any:
    return system.inner.registry.by_path(f"actors/_topic_broker_{topic}").actor


class Deaf(pul.Actor):
    """Never answers."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.open = asyncio.Event()

    async def receive(self, msg: Any) -> Any:
        self.got.append(msg)
        await self.open.wait()


class Broken(pul.Actor):
    """Always fails."""

    async def receive(self, msg: Any) -> Any:
        raise RuntimeError("no")


# --- opening ---------------------------------------------------------------------------------------------------------


async def test_ids_are_given_or_made(one_system: Any) -> None:
    async with one_system() as system:
        writer, reader = await write_topic(system, "t"), await read_topic(system, "t")

        assert writer.writer_id.startswith("writer_") and len(writer.writer_id) == 15
        assert reader.reader_id.startswith("reader_") and len(reader.reader_id) == 15
        assert (writer.topic, reader.topic, reader.is_started) == ("t", "t", False)
        assert (await system.topic.write("t", writer_id="w")).writer_id == "w"


@pytest.mark.parametrize("name", ["", "../../x", "x" * 10_000, "a\0b", "a b"])
async def test_a_hostile_name_is_refused(one_system: Any, name: str) -> None:
    async with one_system() as system:
        with pytest.raises(ValueError):
            await system.topic.write(name)
        with pytest.raises(ValueError):
            await system.topic.read(name)
        with pytest.raises(ValueError):
            TopicReader(system, "t", name)


async def test_a_reader_needs_a_callback_to_start(one_system: Any) -> None:
    async with one_system() as system:
        reader = await system.topic.read("t")

        with pytest.raises(ValueError, match="at least one callback required"):
            await reader.start()
        with pytest.raises(ValueError, match="at least one callback required"):
            await system.topic.read("t", auto_start=True)
        with pytest.raises(TypeError):
            reader.add_callback("text")


async def test_the_same_reader_twice_on_a_node_is_refused_and_leaves_the_first_alone(one_system: Any) -> None:
    async with one_system() as system:
        got: list[Any] = []
        await started(system, "r", got.append)

        with pytest.raises(NameTaken):
            await started(system, "r", got.append)
        await (await system.topic.write("t")).publish(1, PublishMode.WAIT_ALL_ACKS)
        assert got == [1]


# --- modes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(PublishMode))
async def test_without_subscribers_every_mode_succeeds_with_zeros(one_system: Any, mode: PublishMode) -> None:
    async with one_system() as system:
        result = await (await system.topic.write("t")).publish("x", mode)

        assert (result.success, result.delivered, result.failed, result.subscriber_count) == (True, 0, 0, 0)


async def test_an_unknown_mode_is_refused_with_and_without_subscribers(one_system: Any) -> None:
    async with one_system() as system:
        with pytest.raises(ValueError, match="Unknown mode: x"):
            await (await system.topic.write("t")).publish(1, mode="x")


async def test_fire_and_forget_counts_what_the_mailboxes_took(one_system: Any, until: Any) -> None:
    async with one_system() as system:
        got: list[Any] = []
        for name in ("a", "b"):
            await started(system, name, got.append)
        writer = await system.topic.write("t")

        assert await writer.publish({"n": 1}) == PublishResult(True, 2, 0, 2, None)
        await until(lambda: got == [{"n": 1}, {"n": 1}])


async def test_messages_of_one_writer_arrive_in_order_in_every_mode(one_system: Any, until: Any) -> None:
    async with one_system() as system:
        got: list[int] = []

        async def slowly(message: int) -> None:
            await asyncio.sleep(0)
            got.append(message)

        await started(system, "a", slowly)
        writer = await system.topic.write("t")
        modes = list(PublishMode)
        await asyncio.gather(*(writer.publish(n, modes[n % 4]) for n in range(40)))

        await until(lambda: len(got) == 40)
        assert got == list(range(40))


async def test_wait_all_succeeds_when_everybody_has_handled_it(one_system: Any) -> None:
    async with one_system() as system:
        got: list[Any] = []
        for name in ("a", "b", "c"):
            await started(system, name, got.append)

        result = await (await system.topic.write("t")).publish(5, "wait_all_acks")

        assert result == PublishResult(True, 3, 0, 3, [])
        assert got == [5, 5, 5]


async def test_a_raising_callback_is_no_ack_does_not_stop_the_next_and_evicts_nobody(one_system: Any) -> None:
    async with one_system() as system:
        got: list[Any] = []

        def fail(message: Any) -> None:
            raise RuntimeError("a bug")

        reader = await started(system, "bad", fail)
        reader.add_callback(got.append)
        await started(system, "good", got.append)
        writer = await system.topic.write("t")

        for _ in range(MAX_CONSECUTIVE_FAILURES + 2):
            result = await writer.publish(1, PublishMode.WAIT_ALL_ACKS)
            assert result == PublishResult(False, 1, 1, 2, ["bad"])
        assert (await writer.stats())["subscriber_count"] == 2
        assert len(got) == 10


async def test_callbacks_of_both_kinds_have_their_turn_one_after_the_other(one_system: Any) -> None:
    async with one_system() as system:
        heard: list[str] = []

        def at_once(message: Any) -> None:
            heard.append(f"at once {message}")

        async def later(message: Any) -> None:
            await asyncio.sleep(0)
            heard.append(f"later {message}")

        async def failing(message: Any) -> None:
            await asyncio.sleep(0)
            raise ValueError(message)

        reader = await system.topic.read("t", reader_id="r")
        for callback in (at_once, later, failing, at_once):
            reader.add_callback(callback)
        await reader.start()
        writer = await system.topic.write("t")

        results = [await writer.publish(n, PublishMode.WAIT_ALL_ACKS) for n in range(2)]

        assert heard == [f"{when} {n}" for n in range(2) for when in ("at once", "later", "at once")]
        assert [result.failed_subscribers for result in results] == [["r"], ["r"]]
        reader.remove_callback(failing)
        assert (await writer.publish(2, PublishMode.WAIT_ALL_ACKS)).delivered == 1


async def test_wait_all_that_times_out_raises_with_the_true_counts(one_system: Any) -> None:
    async with one_system() as system:
        deaf = Deaf()
        await system.spawn(deaf, name="deaf", public=True)
        await subscribe_to_topic(system, "t", "deaf", "deaf")
        await started(system, "good", lambda message: None)
        writer = await system.topic.write("t")

        with pytest.raises(TimeoutError, match=r"Publish timed out after 0\.05s \(1/2 acks received\)") as caught:
            await writer.publish(1, PublishMode.WAIT_ALL_ACKS, timeout=0.05)
        result = caught.value.result  # type: ignore[attr-defined]
        assert result == PublishResult(False, 1, 1, 2, ["deaf"])


@pytest.mark.parametrize("timeout", [0, -9.0])
@pytest.mark.parametrize("mode", list(PublishMode))
async def test_a_timeout_of_zero_or_less_sends_and_waits_for_nobody(
    one_system: Any, mode: PublishMode, timeout: float
) -> None:
    async with one_system() as system:
        await system.spawn(Deaf(), name="deaf")
        await subscribe_to_topic(system, "t", "deaf", "deaf")
        writer = await system.topic.write("t")

        for _ in range(MAX_CONSECUTIVE_FAILURES + 1):
            assert await writer.publish(1, mode, timeout=timeout) == PublishResult(True, 1, 0, 1, None)
        assert (await writer.stats())["subscriber_count"] == 1


@pytest.mark.parametrize("timeout", [float("nan"), float("inf"), True, "1"])
async def test_a_timeout_that_is_no_number_of_seconds_is_refused_before_anything_is_sent(
    one_system: Any, timeout: Any
) -> None:
    async with one_system() as system:
        writer = await system.topic.write("t")
        with pytest.raises(ValueError, match="timeout is a number of seconds, or None, and not"):
            await writer.publish(1, timeout=timeout)
        assert (await writer.stats())["total_published"] == 0
        await subscribe_to_topic(system, "t", "nobody", "nobody")
        broker = await get_topic_broker(system, "t")
        with pytest.raises(ValueError, match="timeout is a number of seconds, or None, and not"):
            await broker.publish(1, "wait_all_acks", timeout=timeout)


async def test_wait_any_returns_at_the_first_successful_ack(one_system: Any) -> None:
    async with one_system() as system:
        deaf = Deaf()
        await system.spawn(deaf, name="deaf")
        await system.spawn(Broken(), name="broken")
        for name in ("deaf", "broken"):
            await subscribe_to_topic(system, "t", name, name)
        writer = await system.topic.write("t")
        good = await started(system, "good", lambda message: None)

        result = await writer.publish(1, PublishMode.WAIT_ANY_ACK)
        assert (result.success, result.delivered, result.subscriber_count) == (True, 1, 3)
        await good.stop()
        alone = await writer.publish(1, PublishMode.WAIT_ANY_ACK, timeout=0.02)
        assert alone == PublishResult(False, 0, 2, 2, ["deaf", "broken"])


async def test_wait_any_fails_at_once_when_all_have_failed(one_system: Any) -> None:
    async with one_system() as system:
        await system.spawn(Broken(), name="broken")
        await subscribe_to_topic(system, "t", "broken", "broken")

        result = await (await system.topic.write("t")).publish(1, PublishMode.WAIT_ANY_ACK)

        assert result == PublishResult(False, 0, 1, 1, ["broken"])


async def test_best_effort_returns_with_what_came(one_system: Any) -> None:
    async with one_system() as system:
        deaf = Deaf()
        await system.spawn(deaf, name="deaf")
        await subscribe_to_topic(system, "t", "deaf", "deaf")
        await started(system, "good", lambda message: None)

        result = await (await system.topic.write("t")).publish(1, PublishMode.BEST_EFFORT, timeout=0.02)

        assert result == PublishResult(True, 1, 1, 2, ["deaf"])


async def test_late_acks_still_count_in_the_figures(one_system: Any, until: Any) -> None:
    async with one_system() as system:
        deaf = Deaf()
        await system.spawn(deaf, name="deaf")
        await subscribe_to_topic(system, "t", "deaf", "deaf")
        writer = await system.topic.write("t")
        await writer.publish(1, PublishMode.BEST_EFFORT, timeout=0.01)
        deaf.open.set()

        await until(lambda: broker_of(system).audience.delivered == 1)
        assert broker_of(system).audience.subscribers["deaf"].failures_in_a_row == 0


async def test_a_writer_does_not_reach_the_reader_of_its_own_id(one_system: Any) -> None:
    async with one_system() as system:
        got: list[Any] = []
        await started(system, "me", got.append)
        writer = await system.topic.write("t", writer_id="me")

        assert (await writer.publish(1, PublishMode.WAIT_ALL_ACKS)).subscriber_count == 0
        assert got == []


# --- subscribers -----------------------------------------------------------------------------------------------------


async def test_a_named_actor_gets_the_whole_envelope(one_system: Any, until: Any) -> None:
    async with one_system() as system:
        deaf = Deaf()
        deaf.open.set()
        await system.spawn(deaf, name="ear", public=True)

        assert await subscribe_to_topic(system, "t", "s", "ear") == {"success": True, "topic": "t"}
        assert await subscribe_to_topic(system, "t", "s", "ear") == {"success": True, "already": True}
        await (await system.topic.write("t", writer_id="w")).publish({"x": 1}, PublishMode.WAIT_ALL_ACKS)
        message = deaf.got[0]
        assert set(message) == {"topic", "payload", "sender_id", "timestamp"}
        assert (message["topic"], message["payload"], message["sender_id"]) == ("t", {"x": 1}, "w")


@pytest.mark.parametrize(("subscriber", "actor"), [("", "a"), ("s", "")])
async def test_a_subscription_needs_an_id_and_a_name(one_system: Any, subscriber: str, actor: str) -> None:
    async with one_system() as system:
        with pytest.raises(ValueError, match="Missing subscriber_id or actor_name"):
            await subscribe_to_topic(system, "t", subscriber, actor)


async def test_an_actor_may_be_subscribed_before_it_is_there(one_system: Any) -> None:
    async with one_system() as system:
        await subscribe_to_topic(system, "t", "s", "later")
        deaf = Deaf()
        deaf.open.set()
        await system.spawn(deaf, name="later", public=True)

        assert (await (await system.topic.write("t")).publish(1, PublishMode.WAIT_ALL_ACKS)).delivered == 1


async def test_an_actor_that_came_after_its_subscription_is_listed_before_the_first_message(one_system: Any) -> None:
    async with one_system() as system:
        await subscribe_to_topic(system, "t", "s", "later")
        actor = await system.spawn(Deaf(), name="later", public=True)

        assert system.inner.ties.subscribed_by_name(actor.actor_id) == ["t"]


async def test_a_subscriber_that_fails_three_times_in_a_row_is_removed_and_a_success_resets_the_count(
    one_system: Any,
) -> None:
    async with one_system() as system:
        subscription = system.inner.events.subscribe(["topic.subscriber_evicted"])
        deaf = Deaf()
        await system.spawn(deaf, name="deaf")
        await subscribe_to_topic(system, "t", "deaf", "deaf")
        await started(system, "good", lambda message: None)
        writer = await system.topic.write("t")

        for _ in range(MAX_CONSECUTIVE_FAILURES):
            assert (await writer.stats())["subscriber_count"] == 2
            await writer.publish(1, PublishMode.BEST_EFFORT, timeout=0.01)

        assert (await writer.stats())["subscriber_count"] == 1
        event = await anext(subscription)
        assert event.data == {"subscriber": "deaf", "by": "failures"}


@pytest.mark.parametrize("mode", PublishMode)
async def test_who_cannot_be_sent_a_message_because_of_what_it_is_stays_subscribed(mode: PublishMode) -> None:
    async with cluster(2) as (first, second):
        await second.spawn(Deaf(), name="far", public=True)
        await first.resolve("far", timeout=10.0)
        topic = await on_node(first)
        await subscribe_to_topic(first, topic, "s", "far", node_id=second.node_id)
        writer = await first.topic.write(topic)
        for _ in range(MAX_CONSECUTIVE_FAILURES + 1):
            result = await writer.publish(object(), mode)
            assert (result.delivered, result.failed) == (0, 1)

        assert await writer.publish("fine") == PublishResult(True, 1, 0, 1)


async def on_node(system: Any) -> str:
    """A topic whose broker is on this node."""
    for number in range(100):
        broker = await get_topic_broker(system, f"t{number}")
        if broker.ref.is_local():
            return f"t{number}"
    raise AssertionError("no broker is here")


async def test_a_full_mailbox_loses_messages_and_nobody_waits_for_it(one_system: Any) -> None:
    async with one_system() as system:
        deaf = Deaf()
        await system.spawn(deaf, name="deaf", mailbox=3)
        await subscribe_to_topic(system, "t", "deaf", "deaf")
        got: list[Any] = []
        await started(system, "good", got.append)
        writer = await system.topic.write("t")
        results = [await writer.publish(n) for n in range(8)]

        assert [result.failed for result in results][-1] == 1
        assert all(result.success and result.subscriber_count == 2 for result in results)
        row = (await system.inner.inspect("topic", {"topic": "t"}))["subscriber_rows"][0]
        assert (row["id"], row["state"]) == ("deaf", "slow")
        assert row["dropped_total"] == sum(result.failed for result in results)
        deaf.open.set()


async def test_a_subscriber_whose_callbacks_go_on_raising_is_held_for_failing_until_one_does_not(
    one_system: Any,
) -> None:
    async with one_system() as system:
        await started(system, "reader", lambda message: 1 // message)
        writer = await system.topic.write("t")

        async def seen() -> tuple[str, int, str | None]:
            detail = await system.inner.inspect("topic", {"topic": "t"})
            row = detail["subscriber_rows"][0]
            return row["state"], detail["slow_subscribers"], row["last_error"]

        await writer.publish(0, PublishMode.WAIT_ALL_ACKS)
        once = await seen()
        for _ in range(MAX_CONSECUTIVE_FAILURES):
            await writer.publish(0, PublishMode.WAIT_ALL_ACKS)
        often = await seen()
        await writer.publish(1, PublishMode.WAIT_ALL_ACKS)

        assert (once[:2], often) == (("ok", 0), ("failing", 1, "a callback of it raised"))
        assert (await seen())[:2] == ("ok", 0)


async def test_what_waits_for_a_subscriber_is_bounded_in_bytes_too(one_system: Any) -> None:
    async with one_system() as system:
        deaf = Deaf()
        await system.spawn(deaf, name="deaf")
        await subscribe_to_topic(system, "t", "deaf", "deaf")
        writer = await system.topic.write("t")
        results = [await writer.publish({"text": "x" * (1 << 20), "n": n}) for n in range(12)]

        assert 7 <= sum(result.delivered for result in results) <= 9
        deaf.open.set()
        await writer.publish("last", PublishMode.WAIT_ALL_ACKS)
        assert (await writer.publish({"text": "x" * (1 << 20)})).delivered == 1


async def test_a_full_subscriber_of_another_node_holds_up_one_message_and_no_further_ones(
    until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "LINK_PATIENCE_S", 0.05)
    async with cluster(2) as (first, second):
        deaf, good = Deaf(), Deaf()
        good.open.set()
        await second.spawn(deaf, name="deaf", public=True, mailbox=2)
        await second.spawn(good, name="good", public=True)
        topic = await on_node(first)
        for name in ("deaf", "good"):
            await first.resolve(name, timeout=10.0)
            await subscribe_to_topic(first, topic, name, name, node_id=second.node_id)
        events = first.inner.events.subscribe(["topic.gap"])
        writer = await first.topic.write(topic)
        taken = 0
        while (await writer.publish(taken)).delivered == 2:
            taken += 1
        monkeypatch.setattr(fanout, "LINK_PATIENCE_S", 3600.0)
        for n in range(taken + 1, taken + 6):
            result = await asyncio.wait_for(writer.publish(n), 5)
            assert result == PublishResult(True, 1, 1, 2)

        gap: Any = await anext(events)
        assert gap.data == {"subscriber": "deaf", "reason": "slow"}
        detail = await first.inner.inspect("topic", {"topic": topic})
        row = next(row for row in detail["subscriber_rows"] if row["id"] == "deaf")
        assert (row["state"], row["dropped_total"], row["failed_total"]) == ("slow", 5, 6)

        deaf.open.set()
        await until(lambda: not broker_of(first, topic)._fanout._held)
        assert await writer.publish("last", PublishMode.WAIT_ALL_ACKS) == PublishResult(True, 2, 0, 2, [])
        assert [message["payload"] for message in good.got] == [*range(taken + 6), "last"]
        assert [message["payload"] for message in deaf.got] == [*range(taken + 1), "last"]
        assert (await writer.publish("more")).delivered == 2


class Slow(Deaf):
    """Takes a message whenever it is told to."""

    async def receive(self, msg: Any) -> None:
        await super().receive(msg)
        if len(self.got) < 100:
            self.open.clear()


async def test_a_subscriber_of_another_node_that_is_behind_for_long_holds_nobody_up(
    until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "LINK_PATIENCE_S", 0.05)
    async with cluster(2) as (first, second):
        slow = Slow()
        await second.spawn(slow, name="slow", public=True, mailbox=2)
        topic = await on_node(first)
        await first.resolve("slow", timeout=10.0)
        await subscribe_to_topic(first, topic, "slow", "slow", node_id=second.node_id)
        writer = await first.topic.write(topic)
        while (await writer.publish("x")).delivered:
            pass
        monkeypatch.setattr(fanout, "LINK_PATIENCE_S", 3600.0)
        monkeypatch.setattr(audience, "SLOW_LIMIT_S", 0.0)

        def released() -> bool:
            slow.open.set()
            return not broker_of(first, topic)._fanout._held

        for _ in range(5):
            await until(released)
            for _ in range(5):
                await asyncio.wait_for(writer.publish("x"), 5)


async def test_a_subscriber_of_another_node_that_stays_full_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "LINK_PATIENCE_S", 0.01)
    async with cluster(2) as (first, second):
        await second.spawn(Deaf(), name="deaf", public=True, mailbox=1)
        topic = await on_node(first)
        await first.resolve("deaf", timeout=10.0)
        await subscribe_to_topic(first, topic, "deaf", "deaf", node_id=second.node_id)
        events = first.inner.events.subscribe(["topic.subscriber_evicted"])
        writer = await first.topic.write(topic)
        while (await writer.publish("x")).delivered:
            pass
        await writer.publish("x")
        assert (await writer.stats())["subscriber_count"] == 1
        monkeypatch.setattr(audience, "SLOW_LIMIT_S", 0.0)
        await writer.publish("x")

        removal: Any = await anext(events)
        assert removal.data == {"subscriber": "deaf", "by": "slow"}
        assert (await writer.stats())["subscriber_count"] == 0
        monkeypatch.setattr(fanout, "LINK_PATIENCE_S", 3600.0)
        await subscribe_to_topic(first, topic, "deaf", "deaf", node_id=second.node_id)
        assert await asyncio.wait_for(writer.publish("x"), 5) == PublishResult(True, 0, 1, 1)


async def test_the_time_that_publishing_takes_is_told(one_system: Any) -> None:
    async with one_system() as system:

        async def slowly(message: Any) -> None:
            await asyncio.sleep(0.02)

        await started(system, "r", slowly)
        writer = await system.topic.write("t")
        assert (await system.inner.inspect("topic", {"topic": "t"}))["publish_s"]["p50"] is None
        await writer.publish(1, PublishMode.WAIT_ALL_ACKS)

        times = (await system.inner.inspect("topic", {"topic": "t"}))["publish_s"]
        assert times["max"] >= 0.02
        assert times["p50"] is not None


async def test_callbacks_come_and_go_while_the_reader_runs(one_system: Any) -> None:
    async with one_system() as system:
        first: list[Any] = []
        second: list[Any] = []
        reader = await started(system, "r", first.append)
        writer = await system.topic.write("t")

        @reader.on_message
        async def note(message: Any) -> None:
            second.append(message)

        await writer.publish(1, PublishMode.WAIT_ALL_ACKS)
        assert reader.remove_callback(note) is True
        assert reader.remove_callback(note) is False
        await writer.publish(2, PublishMode.WAIT_ALL_ACKS)
        assert (first, second) == ([1, 2], [1])


async def test_a_reader_stops_and_starts_again(one_system: Any) -> None:
    async with one_system() as system:
        got: list[Any] = []
        reader = await started(system, "r", got.append)
        await reader.start()
        writer = await system.topic.write("t")
        await reader.stop()
        await reader.stop()
        assert not reader.is_started
        assert (await writer.publish(1)).subscriber_count == 0
        async with reader:
            await writer.publish(2, PublishMode.WAIT_ALL_ACKS)

        assert got == [2]
        assert (await reader.stats())["subscriber_count"] == 0


@pytest.mark.parametrize("turns", range(6))
async def test_a_reader_that_is_stopped_while_it_starts_is_stopped(one_system: Any, turns: int) -> None:
    async with one_system() as system:
        got: list[Any] = []
        reader = await system.topic.read("t", reader_id="r")
        reader.add_callback(got.append)
        starting = asyncio.ensure_future(reader.start())
        for _ in range(turns):
            await asyncio.sleep(0)
        if turns:
            await reader.stop()
        await starting
        await reader.stop()

        assert not reader.is_started
        assert (await reader.stats())["subscriber_count"] == 0
        assert not [task for task in asyncio.all_tasks() if task.get_name().endswith("subscription r")]
        async with reader:
            await (await system.topic.write("t")).publish(1, PublishMode.WAIT_ALL_ACKS)
        assert got == [1]


async def test_a_removed_reader_that_is_alive_comes_back_with_a_gap(
    one_system: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubsub_module, "RENEW_EVERY_S", 0.01)
    async with one_system() as system:
        gaps = system.inner.events.subscribe(["topic.gap"])
        await started(system, "r", lambda message: None)
        await broker_of(system).evict("r")

        assert (await anext(gaps)).data == {"subscriber": "r", "reason": "resubscribed"}
        assert list(broker_of(system).audience.subscribers) == ["r"]


async def test_readers_and_writers_find_a_broker_that_began_anew(
    one_system: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubsub_module, "RENEW_EVERY_S", 0.01)
    async with one_system() as system:
        got: list[Any] = []
        await started(system, "r", got.append)
        writer = await system.topic.write("t")
        await writer.publish(1, PublishMode.WAIT_ALL_ACKS)
        await system.stop("_topic_broker_t")
        await writer.publish(2)
        await until(lambda: broker_of(system).audience.subscribers)

        await writer.publish(3, PublishMode.WAIT_ALL_ACKS)
        assert got == [1, 3]


async def test_whoever_looks_on_sees_messages_and_is_no_subscriber(one_system: Any, until: Any) -> None:
    from pulsing.streaming.administration import tail_topic

    async with one_system() as system:
        writer = await system.topic.write("t", writer_id="w")
        await writer.publish(0)
        tail = tail_topic(system, "t")
        first = asyncio.ensure_future(anext(tail))
        await until(lambda: broker_of(system)._onlookers.here)
        result = await writer.publish({"x": 1})

        message = await asyncio.wait_for(first, 5)
        assert (message["n"], message["sender"], message["value"]) == (2, "w", {"x": 1})
        assert result.subscriber_count == 0


async def test_figures_of_the_broker_have_the_fixed_keys(one_system: Any) -> None:
    async with one_system() as system:
        await started(system, "r", lambda message: None)
        writer: TopicWriter = await system.topic.write("t")
        await writer.publish(1, PublishMode.WAIT_ALL_ACKS)

        assert await writer.stats() == {
            "topic": "t",
            "subscriber_count": 1,
            "total_published": 1,
            "total_delivered": 1,
            "total_failed": 0,
        }


async def test_a_broker_that_is_stopped_while_it_waits_for_answers_is_followed_by_another(
    one_system: Any, until: Any
) -> None:
    async with one_system() as system:
        deaf = Deaf()
        await system.spawn(deaf, name="deaf")
        await subscribe_to_topic(system, "t", "deaf", "deaf")
        writer = await system.topic.write("t")
        waiting = asyncio.ensure_future(writer.publish(1, PublishMode.WAIT_ALL_ACKS))
        await until(lambda: deaf.got)
        stopping = asyncio.ensure_future(system.stop("_topic_broker_t"))
        await asyncio.sleep(0)
        following = asyncio.ensure_future(writer.publish(2))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not following.done()
        deaf.open.set()

        assert (await waiting).delivered == 1
        assert await following == PublishResult(True, 0, 0, 0)
        await stopping
