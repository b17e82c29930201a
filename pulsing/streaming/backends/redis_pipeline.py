"""The connection by which a node's buckets write to a Redis server: what they send in the same moment goes together.

A round trip costs the client more than a script of some records, and a batch of a queue has records for many buckets.
While one pipeline is under way, what comes waits, and goes by the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from pulsing.streaming.backends.redis import SLICE_S

MOST_COMMANDS = 128
MOST_BYTES = 4 << 20
"""Of one pipeline; a command that is larger goes by itself."""

QUIET_S = 0.1
"""A connection on which nothing has been answered for so long may have been closed by the server."""

Command = tuple[tuple[Any, ...], "asyncio.Future[Any]"]

_PIPELINES: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Pipeline]] = WeakKeyDictionary()


class NotSent(Exception):
    """The server could not be reached, so that it got nothing of a command.

    Attributes:
        reason: what the client raised.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Pipeline:
    """What goes to one server from one loop.

    Args:
        url: of the server.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = client_of(url, 1)
        self._users = 0
        self._answered_at = float("-inf")
        self._waiting: deque[Command] = deque()
        self._serving: asyncio.Task[None] | None = None

    @classmethod
    def to(cls, url: str) -> Pipeline:
        """Begin to use the one of this loop to a server."""
        pipelines = _PIPELINES.setdefault(asyncio.get_running_loop(), {})
        pipeline = pipelines.get(url)
        if pipeline is None:
            pipeline = pipelines[url] = cls(url)
        pipeline._users += 1
        return pipeline

    def send(self, *command: Any) -> asyncio.Future[Any]:
        """Send a command once; the future has its result, or what the server or the client raised, or NotSent."""
        told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, told))
        if self._serving is None:
            # It begins at the end of this turn of the loop, so that those who come with this one go with it.
            self._serving = asyncio.ensure_future(self._serve())
        return told

    async def disconnect(self) -> None:
        """Let go of a connection that nothing is sent by now: others to this server have failed."""
        await self._client.connection_pool.disconnect(inuse_connections=False)

    async def release(self) -> None:
        """End to use it; after the last user it is closed, with all sent that was handed in."""
        self._users -= 1
        if self._users:
            return
        del _PIPELINES[asyncio.get_running_loop()][self._url]
        if self._serving is not None:
            await asyncio.wait([self._serving])
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def _serve(self) -> None:
        try:
            while batch := self._next_batch():
                await self._send_together(batch)
                # Those who have just been told may have more, which belongs to the next batch.
                await asyncio.sleep(0)
        finally:
            self._serving = None

    def _next_batch(self) -> list[Command]:
        batch: list[Command] = []
        size = 0
        while self._waiting and len(batch) < MOST_COMMANDS:
            size += _size_of(self._waiting[0][0])
            if batch and size > MOST_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _send_together(self, batch: list[Command]) -> None:
        results: list[Any]
        now = asyncio.get_running_loop().time
        try:
            if now() - self._answered_at > QUIET_S:
                await self._reach()
            async with self._client.pipeline(transaction=False) as pipeline:
                for command, _ in batch:
                    pipeline.execute_command(*command)
                results = await pipeline.execute(raise_on_error=False)
            self._answered_at = now()
        except (RedisError, OSError, NotSent) as error:
            self._answered_at = float("-inf")
            results = [error] * len(batch)
        for (_, told), result in zip(batch, results, strict=True):
            if told.done():
                continue
            if isinstance(result, Exception):
                told.set_exception(result)
            else:
                told.set_result(result)

    async def _reach(self) -> None:
        """See that the server answers before it is sent what must not be sent twice.

        A connection from before the server's restart fails at this, and the next one is new.
        """
        for last in (False, True):
            try:
                await self._client.ping()
                return
            except ResponseError:
                return
            except (RedisError, OSError) as error:
                if last:
                    raise NotSent(error) from error


def client_of(url: str, connections: int) -> Redis:
    """A client that has at most so many connections, waits for one of them, and sends nothing twice by itself."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=None,
        socket_timeout=SLICE_S + 8.0,
        socket_connect_timeout=5.0,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis(connection_pool=pool)


def _size_of(command: tuple[Any, ...]) -> int:
    return sum(len(part) for part in command if isinstance(part, (bytes, str)))
