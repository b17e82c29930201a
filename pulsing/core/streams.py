"""Items on their way from a producer to one reader: at most 32 wait unread, and either side may leave early."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from pulsing.exceptions import ActorStopped

STREAM_CAPACITY = 32


class Channel:
    """The buffer between one producer and one reader, on one event loop.

    The producer awaits `put` and calls `finish`; the reader iterates and calls `close`. Items that were put before
    an error are read first. `on_read` is called after each item read, `on_close` once when the reader leaves: this
    is how a link grants credits and passes the leaving on. `on_finish` is called once when the producer has ended,
    `translate` makes of what ended it what the reader gets.
    """

    __slots__ = (
        "_capacity",
        "_closed",
        "_error",
        "_finished",
        "_items",
        "_reader",
        "_writers",
        "on_close",
        "on_finish",
        "on_read",
        "translate",
    )

    def __init__(self, capacity: int = STREAM_CAPACITY) -> None:
        self._capacity = capacity
        self._items: deque[Any] = deque()
        self._finished = False
        self._error: BaseException | None = None
        self._closed = False
        self._reader: asyncio.Future[None] | None = None
        self._writers: list[asyncio.Future[None]] = []
        self.on_read: Callable[[], None] | None = None
        self.on_close: Callable[[], None] | None = None
        self.on_finish: Callable[[], None] | None = None
        self.translate: Callable[[BaseException], BaseException] | None = None

    @property
    def closed(self) -> bool:
        """Whether the reader has left."""
        return self._closed

    @property
    def finished(self) -> bool:
        """Whether the producer has said that nothing more comes."""
        return self._finished

    def __len__(self) -> int:
        return len(self._items)

    def put_nowait(self, item: Any) -> bool:
        """Add an item and say whether there is room for another one; there is none once either side has left."""
        if self._closed or self._finished:
            return False
        self._items.append(item)
        if self._reader is not None:
            self._wake_reader()
        return len(self._items) < self._capacity

    async def wait_writable(self) -> bool:
        """Wait until there is room; False when the reader has left or the stream was finished from outside."""
        while len(self._items) >= self._capacity and not self._closed and not self._finished:
            room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._writers.append(room)
            await room
        return not self._closed and not self._finished

    async def put(self, item: Any) -> bool:
        """Add an item as soon as there is room; False when nobody will read it."""
        if not await self.wait_writable():
            return False
        self.put_nowait(item)
        return True

    def finish(self, error: BaseException | None = None) -> None:
        """Say that nothing more comes, because of `error` if one is given; only the first word counts."""
        if self._finished:
            return
        self._finished = True
        self._error = error
        self._wake_reader()
        self._wake_writers()
        if self.on_finish is not None:
            self.on_finish()

    def close(self) -> None:
        """Leave as the reader: what waits is dropped and the producer learns of it."""
        if self._closed:
            return
        self._closed = True
        self._items.clear()
        self._wake_reader()
        self._wake_writers()
        if self.on_close is not None:
            self.on_close()
        if self.on_finish is not None and not self._finished:
            self.on_finish()

    async def next(self) -> Any:
        """The next item.

        Raises:
            StopAsyncIteration: there is none and nothing more comes.
            RuntimeError: somebody else waits for it.
        """
        while not self._items:
            if self._closed:
                raise StopAsyncIteration
            if self._finished:
                self._closed = True
                raise self._take_error() or StopAsyncIteration
            if self._reader is not None and not self._reader.done():
                raise RuntimeError("this stream is being read already")
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        item = self._items.popleft()
        if self._writers and len(self._items) <= self._capacity // 2:
            self._wake_writers()
        if self.on_read is not None:
            self.on_read()
        return item

    def _take_error(self) -> BaseException | None:
        error, self._error = self._error, None
        return error if error is None or self.translate is None else self.translate(error)

    def _wake_reader(self) -> None:
        if self._reader is not None:
            if not self._reader.done():
                self._reader.set_result(None)
            self._reader = None

    def _wake_writers(self) -> None:
        writers, self._writers = self._writers, []
        for writer in writers:
            if not writer.done():
                writer.set_result(None)


class StreamReader(AsyncIterator[Any]):
    """Reads the items of a stream, once. Letting go of it, or `aclose`, ends the stream at its producer."""

    __slots__ = ("_channel", "_loop")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._loop = asyncio.get_running_loop()

    async def __anext__(self) -> Any:
        return await self.step()()

    def step(self) -> Callable[[], Awaitable[Any]]:
        """What to call and await for each next item on the running loop."""
        if asyncio.get_running_loop() is self._loop:
            return self._channel.next
        # The stream lives on the loop of another thread.
        return lambda: asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._channel.next(), self._loop))

    async def aclose(self) -> None:
        """Leave now; the producer's `finally` runs."""
        if asyncio.get_running_loop() is self._loop:
            self._channel.close()
        else:
            self._loop.call_soon_threadsafe(self._channel.close)

    def detach(self) -> Channel:
        """Give up the channel to somebody else who reads it from now on."""
        channel, self._channel = self._channel, Channel()
        self._channel.close()
        return channel

    async def cancel(self) -> None:
        """The same as `aclose`."""
        await self.aclose()

    def __del__(self) -> None:
        # An `async for` that is left by `break` only drops its iterator; maybe on another thread, by the collector.
        channel = getattr(self, "_channel", None)
        if channel is not None and not channel.closed and not self._loop.is_closed():
            try:
                self._loop.call_soon_threadsafe(channel.close)
            except RuntimeError:
                pass


class StreamWriter:
    """Writes the items of an explicit stream; see `StreamMessage.create`."""

    __slots__ = ("_channel", "_done")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._done = False

    async def write(self, obj: Any) -> None:
        """Send one item, waiting while the reader is behind.

        Raises:
            RuntimeError: "Writer already closed", after `close` or `error`.
            ActorStopped: the reader has left.
        """
        self._check_open()
        if not await self._channel.put(obj):
            raise ActorStopped(reason="the reader of the stream has left", maybe_executed=True)

    async def close(self) -> None:
        """End the stream; the reader sees the end after the items sent so far."""
        self._done = True
        self._channel.finish()

    async def error(self, text: str) -> None:
        """End the stream with an error: the reader gets it as if the producer had raised RuntimeError(text)."""
        self._check_open()
        self._done = True
        self._channel.finish(RuntimeError(text))

    def _check_open(self) -> None:
        if self._done:
            raise RuntimeError("Writer already closed")
