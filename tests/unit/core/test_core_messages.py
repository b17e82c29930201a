"""Optional envelopes for `receive`, and streams written by hand."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

import pulsing as pul
from pulsing import testing
from pulsing.core import Message, StreamMessage
from pulsing.exceptions import ActorStopped, PulsingSystemError
from tests.unit.core.acting import Echo, Plain


def test_a_message_carries_json() -> None:
    message = Message.from_json("Order", {"item": 1})
    assert (message.msg_type, message.to_json(), message.is_stream) == ("Order", {"item": 1}, False)
    assert repr(Message("T", b"1234567")) == "Message(msg_type='T', payload_len=7)"
    assert Message("T", b"1") == Message("T", b"1")
    assert Message("T", b"1") != Message("T", b"2")
    assert (Message.empty().msg_type, Message.empty().payload) == ("", b"")


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_payload_that_is_no_json_is_a_value_error(payload: bytes) -> None:
    with pytest.raises(ValueError):
        Message("T", payload).to_json()


async def test_a_stream_is_no_payload_and_a_payload_no_stream() -> None:
    message, writer = StreamMessage.create("S")
    assert repr(message) == "Message(msg_type='S', stream=True)"
    assert message.is_stream
    with pytest.raises(ValueError):
        message.to_json()
    with pytest.raises(ValueError):
        Message("T").stream_reader()
    await writer.close()


async def test_a_stream_is_consumed_once() -> None:
    message, writer = StreamMessage.create("S")
    await writer.write(1)
    await writer.close()
    assert [item async for item in message] == [1]
    with pytest.raises(RuntimeError, match="Stream already consumed"):
        message.stream_reader()


async def test_a_closed_writer_says_so() -> None:
    message, writer = StreamMessage.create("S")
    await writer.close()
    with pytest.raises(RuntimeError, match="Writer already closed"):
        await writer.write(1)
    with pytest.raises(RuntimeError, match="Writer already closed"):
        await writer.error("x")
    await writer.close()
    assert [item async for item in message] == []


async def test_a_writer_waits_when_the_buffer_is_full_and_learns_that_the_reader_left() -> None:
    message, writer = StreamMessage.create("S", buffer_size=2)
    await writer.write(1)
    await writer.write(2)
    waiting = asyncio.ensure_future(writer.write(3))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    reader = message.stream_reader()
    await reader.cancel()
    with pytest.raises(ActorStopped):
        await waiting
    with pytest.raises(ActorStopped):
        await writer.write(4)


async def test_an_error_written_by_hand_arrives_by_the_table() -> None:
    class Speaker(pul.Actor):
        async def receive(self, msg: Any) -> Any:
            message, writer = StreamMessage.create("Speech")
            await writer.write("one")
            await writer.error("lost my voice")
            return message

    async with testing.system() as system:
        ref = await system.spawn(Speaker)
        answer = await ref.ask("go")
        assert (answer.msg_type, answer.is_stream) == ("Speech", True)
        got = []
        with pytest.raises(PulsingSystemError, match="RuntimeError: lost my voice") as caught:
            async for item in answer:
                got.append(item)  # noqa: PERF401 - what came before the error counts
        assert got == ["one"]
        assert isinstance(caught.value, RuntimeError)


async def test_receive_answers_with_values_messages_and_streams() -> None:
    async with testing.system() as system:
        ref = await system.spawn(Echo())
        assert await ref.ask({"any": "value"}) == {"any": "value"}
        assert await ref.ask(None) is None
        assert await ref.ask("message") == Message("Greeting", b"hello")
        stream = await ref.ask("stream")
        assert stream.is_stream
        assert [item async for item in stream.stream_reader()] == [1, 2]


async def test_a_plain_object_with_a_sync_receive_is_an_actor() -> None:
    async with testing.system() as system:
        ref = await system.spawn(Plain())
        assert await ref.ask(1) == ("plain", 1)


async def test_a_stream_message_cannot_be_asked_with() -> None:
    async with testing.system() as system:
        ref = await system.spawn(Echo())
        message, _ = StreamMessage.create("S")
        with pytest.raises(TypeError):
            ref.ask(message)


async def test_an_answer_that_is_dropped_unread_ends_its_stream() -> None:
    async with testing.system() as system:

        class Endless(pul.Actor):
            async def receive(self, msg: Any) -> Any:
                return self.items()

            async def items(self) -> Any:
                while True:
                    yield 1

        ref = await system.spawn(Endless)
        await ref.ask("go")
        gc.collect()
        await testing.wait_until(lambda: system.statistics().classes[-1].streams_open == 0)


async def test_a_stop_ends_a_stream_that_is_written_by_hand() -> None:
    class Speaker(pul.Actor):
        async def receive(self, msg: Any) -> Any:
            message, self.writer = StreamMessage.create("Speech")
            await self.writer.write("one")
            return message

    async with testing.system() as system:
        ref = await system.spawn(Speaker, name="speaker")
        stream = (await ref.ask("go")).stream_reader()
        await system.stop("speaker")
        assert await stream.__anext__() == "one"
        with pytest.raises(ActorStopped):
            await stream.__anext__()


async def test_several_tasks_may_write_to_one_stream() -> None:
    message, writer = StreamMessage.create("S", buffer_size=1)
    writes = [asyncio.ensure_future(writer.write(number)) for number in range(5)]
    reader = message.stream_reader()
    assert [await anext(reader) for _ in range(5)] == [0, 1, 2, 3, 4]
    await asyncio.gather(*writes)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, None])
def test_a_stream_without_room_is_refused(size: Any) -> None:
    with pytest.raises(ValueError, match="at least 1 item"):
        StreamMessage.create("S", buffer_size=size)


@pytest.mark.parametrize("payload", ["text", 5, ["x"]])
def test_a_payload_that_is_no_bytes_is_refused(payload: Any) -> None:
    with pytest.raises(TypeError, match="is bytes, not"):
        Message("T", payload)


def test_a_type_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="the type of a message is a text, not int"):
        Message(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("payload", [b"p", bytearray(b"p"), memoryview(b"p")])
def test_a_payload_is_kept_as_bytes(payload: Any) -> None:
    message = Message("T", payload)
    assert type(message.payload) is bytes
    assert hash(message) == hash(Message("T", b"p"))
