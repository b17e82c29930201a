"""The server behind the Redis store: connecting, what it must promise, and what its errors mean to us."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

from pulsing.exceptions import NotOwner, PulsingRuntimeError
from pulsing.logs import logger_of
from pulsing.streaming.backends.redis import Lost
from pulsing.streaming.backends.redis_pipeline import NotSent, Pipeline, client_of

logger = logger_of("pulsing.streaming")

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
        self._url = url
        self._client: Any = client_of(url, CONNECTIONS)
        self._pipeline: Pipeline | None = None

    async def close(self) -> None:
        """Close the connections."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            await pipeline.release()
        await self._client.aclose()
        await self._client.connection_pool.disconnect()

    async def ask(self, command: str, *args: Any, **options: Any) -> Any:
        """Send what may be sent twice; a connection of before the server's restart fails at its first use."""
        try:
            return await self.send(command, *args, **options)
        except PulsingRuntimeError as error:
            if not isinstance(error.cause, RedisConnectionError):
                raise
        return await self.send(command, *args, **options)

    async def send(self, command: str, *args: Any, **options: Any) -> Any:
        """Send once, whatever comes of it; what the server or the client raises is told in our terms.

        Raises:
            NotOwner: another owner has taken the bucket over.
            Lost: the server has lost records.
            PulsingRuntimeError: anything else.
        """
        return await self._told(getattr(self._client, command)(*args, **options))

    async def send_together(self, *command: Any) -> Any:
        """The same, together with what the other buckets of this node send now."""
        if self._pipeline is None:
            self._pipeline = Pipeline.to(self._url)
        return await self._told(self._pipeline.send(*command))

    async def _told(self, answer: Awaitable[Any]) -> Any:
        try:
            return await answer
        except ResponseError as error:
            if (refusal := _FENCED.search(str(error))) is not None:
                epoch = int(refusal["epoch"])
                text = f"{self._bucket} was taken over by another owner, of epoch {epoch}"
                raise NotOwner(self._bucket, None, epoch, text) from error
            if "LOST" in str(error):
                raise Lost from error
            raise PulsingRuntimeError(f"redis refused: {error}", error) from error
        except NotSent as error:
            raise await self._failure(error.reason, maybe_executed=False) from error.reason
        except (RedisError, OSError) as error:
            raise await self._failure(error, maybe_executed=True) from error

    async def _failure(self, error: Exception, maybe_executed: bool) -> PulsingRuntimeError:
        await self._client.connection_pool.disconnect(inuse_connections=False)
        if self._pipeline is not None:
            await self._pipeline.disconnect()
        failure = PulsingRuntimeError(f"redis failed: {error}", error)
        failure.maybe_executed = maybe_executed  # type: ignore[attr-defined]
        return failure

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
