"""The server behind the Redis store: connecting, what it must promise, and what its errors mean to us."""

from __future__ import annotations

import logging
import re
from typing import Any

import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from pulsing.exceptions import NotOwner, PulsingRuntimeError
from pulsing.streaming.backends.redis import SLICE_S, Lost

logger = logging.getLogger("pulsing.streaming")

_FENCED = re.compile(r"FENCED (?P<epoch>[0-9]+)")

CONNECTIONS = 16
"""Of a bucket; further calls wait for one of them."""


class Server:
    """The connections of one bucket to the server.

    Args:
        url: of the server.
        bucket: the bucket, for errors.
    """

    def __init__(self, url: str, bucket: str) -> None:
        self._bucket = bucket
        self._pool = aioredis.BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=None,
            socket_timeout=SLICE_S + 8.0,
            socket_connect_timeout=5.0,
            retry=Retry(NoBackoff(), 0),
        )
        self._client: Any = aioredis.Redis(connection_pool=self._pool)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        await self._pool.disconnect()

    async def ask(self, command: str, *args: Any, **options: Any) -> Any:
        """Send what may be sent twice; a connection of before the server's restart fails at its first use."""
        try:
            return await self.send(command, *args, **options)
        except PulsingRuntimeError as error:
            if not isinstance(error.cause, RedisConnectionError):
                raise
        return await self.send(command, *args, **options)

    async def send(self, command: str, *args: Any, **options: Any) -> Any:
        """Send once, whatever comes of it; what the server or the client raise is told in our terms.

        Raises:
            NotOwner: another owner has taken the bucket over.
            Lost: the server has lost records.
            PulsingRuntimeError: anything else.
        """
        try:
            return await getattr(self._client, command)(*args, **options)
        except ResponseError as error:
            if (refusal := _FENCED.search(str(error))) is not None:
                epoch = int(refusal["epoch"])
                text = f"{self._bucket} was taken over by another owner, of epoch {epoch}"
                raise NotOwner(self._bucket, None, epoch, text) from error
            if "LOST" in str(error):
                raise Lost from error
            raise PulsingRuntimeError(f"redis refused: {error}", error) from error
        except (RedisError, OSError) as error:
            await self._pool.disconnect(inuse_connections=False)
            failure = PulsingRuntimeError(f"redis failed: {error}", error)
            failure.maybe_executed = True  # type: ignore[attr-defined]
            raise failure from error

    async def check_durability(self, durability: str) -> None:
        """Raise PulsingRuntimeError if the server promises less."""
        if durability == "none":
            logger.warning("redis store: durability is 'none', records may be lost with the server")
            return
        persistence = await self.ask("info", "persistence")
        if not persistence.get("aof_enabled"):
            raise PulsingRuntimeError("redis keeps no append-only file: set 'appendonly yes', or durability='none'")
        settings = await self.ask("config_get", "appendfsync", "maxmemory-policy")
        if durability == "full" and settings.get("appendfsync") != "always":
            raise PulsingRuntimeError("redis does not sync every write: set 'appendfsync always'")
        if str(settings.get("maxmemory-policy", "")).startswith("allkeys-"):
            raise PulsingRuntimeError("redis may evict queues: set 'maxmemory-policy noeviction'")
