"""Both ends of a far pipe: the node's, and the caller's."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from typing import IO, Any

import pytest

from pulsing.subprocess.ends import End, Output, text_decoder
from pulsing.subprocess.files import ROOM, FarInput, FarOutput, Inbox
from pulsing.testing import wait_until


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """A pipe: what to read from, what to write to."""
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as source, open(writing, "wb", buffering=0) as sink:  # noqa: PTH123
        yield source, sink


async def test_a_read_takes_what_was_asked_for_and_leaves_the_rest(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    source, sink = pipe
    output = Output(End(source), None)
    sink.write(b"one\ntwo\nthree")

    assert await output.read(2) == b"on"
    assert await output.readline() == b"e\n"
    sink.close()
    assert await output.readlines() == [b"two\n", b"three"]
    assert await output.read() == b""
    assert await output.readline() == b""


async def test_text_is_decoded_across_chunks(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    source, sink = pipe
    output = Output(End(source), text_decoder("utf-8", None))
    reading = asyncio.ensure_future(output.read())
    for part in (b"\xe2", b"\x82", b"\xac\r", b"\nend\r"):
        sink.write(part)
        await asyncio.sleep(0)
    sink.close()

    assert await reading == "€\nend\n"


async def test_readers_take_turns(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    source, sink = pipe
    output = Output(End(source), None)
    lines = [asyncio.ensure_future(output.readline()) for _ in range(2)]
    await asyncio.sleep(0)
    sink.write(b"a\nb\n")

    assert await asyncio.gather(*lines) == [b"a\n", b"b\n"]


async def test_closing_an_end_wakes_who_waits_there(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    source, _ = pipe
    output = Output(End(source), None)
    reading = asyncio.ensure_future(output.read())
    await asyncio.sleep(0)

    output.end.close()

    assert await reading == b""


async def test_nothing_is_read_that_nobody_asks_for(pipe: tuple[IO[bytes], IO[bytes]]) -> None:
    source, sink = pipe
    writer, reader = End(sink), Output(End(source), None)
    writing = asyncio.ensure_future(writer.write(b"x" * (8 << 20)))
    chunks = reader.chunks()
    first = await chunks.__anext__()

    await asyncio.sleep(0.05)

    assert not writing.done()
    taken = len(first)
    while not writing.done():
        taken += len(await chunks.__anext__())
    writer.close()
    assert taken + sum([len(chunk) async for chunk in chunks]) == 8 << 20


async def test_a_full_inbox_makes_the_loop_wait_until_a_thread_has_taken_enough() -> None:
    inbox = Inbox(asyncio.get_running_loop())
    filled = asyncio.ensure_future(inbox.put(b"x" * ROOM))
    await asyncio.sleep(0)
    assert not filled.done()

    assert len(await asyncio.to_thread(inbox.take)) == ROOM

    assert await filled


async def test_a_closed_inbox_takes_nothing_and_lets_the_loop_go() -> None:
    inbox = Inbox(asyncio.get_running_loop())
    filled = asyncio.ensure_future(inbox.put(b"x" * ROOM))
    await asyncio.sleep(0)

    FarOutput(inbox, None).close()

    assert not await filled
    assert inbox.take() == b""


async def test_what_came_before_an_error_is_read_first() -> None:
    inbox = Inbox(asyncio.get_running_loop())
    await inbox.put(b"a")
    inbox.finish(ConnectionError("gone"))
    output = FarOutput(inbox, None)

    assert output.read(10) == b"a"
    with pytest.raises(ConnectionError):
        output.read(10)
    output.close()


async def test_a_thread_that_waits_is_woken_by_the_end() -> None:
    inbox = Inbox(asyncio.get_running_loop())
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(inbox.take()))
    thread.start()

    inbox.finish()

    await wait_until(lambda: got == [b""], 30)
    thread.join()


def test_a_far_input_sends_its_parts_and_says_the_end_once() -> None:
    sent: list[Any] = []
    file = FarInput(sent.append, lambda: sent.append("end"), None)

    assert file.write(memoryview(b"abc")) == 3
    file.close()
    file.close()

    assert sent == [b"abc", "end"]
    with pytest.raises(ValueError):
        file.write(b"x")
