"""The server behind the Redis store: connecting, what it must promise, and what its errors mean to us."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import Any, TypeVar

import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from pulsing.exceptions import NotOwner, PulsingRuntimeError

T = TypeVar("T")

logger = logging.getLogger("pulsing.streaming")

DURABILITIES = ("none", "normal", "full")
SLICE_S = 2.0
"""Longest that a read blocks in the server; longer ones meet the client's own timeouts."""


class Lost(Exception):
    """The server knows less of a bucket than its owner has seen."""


def connect(url: str) -> Any:
    """A client that never sends anything twice: a record whose answer was lost may have been stored."""
    return aioredis.from_url(url, socket_timeout=SLICE_S + 8.0, socket_connect_timeout=5.0, retry=Retry(NoBackoff(), 0))


async def check_durability(client: Any, durability: str) -> None:
    """Raise PulsingRuntimeError if the server promises less."""
    if durability == "none":
        logger.warning("redis store: durability is 'none', records may be lost with the server")
        return
    persistence = await client.info("persistence")
    if not persistence.get("aof_enabled"):
        raise PulsingRuntimeError("redis keeps no append-only file: set 'appendonly yes', or durability='none'")
    settings = await client.config_get("appendfsync", "maxmemory-policy")
    if durability == "full" and settings.get("appendfsync") != "always":
        raise PulsingRuntimeError("redis does not sync every write: set 'appendfsync always'")
    if str(settings.get("maxmemory-policy", "")).startswith("allkeys-"):
        raise PulsingRuntimeError("redis may evict queues: set 'maxmemory-policy noeviction'")


async def told(call: Awaitable[T], bucket: str) -> T:
    """Await a call to the server; what it raises is told in our terms.

    Raises:
        NotOwner: another owner has taken the bucket over.
        Lost: the server has lost records.
        PulsingRuntimeError: anything else.
    """
    try:
        return await call
    except ResponseError as error:
        if "FENCED" in str(error):
            raise NotOwner(bucket, message=f"{bucket} was taken over by another owner") from error
        if "LOST" in str(error):
            raise Lost from error
        raise PulsingRuntimeError(f"redis refused: {error}", error) from error
    except (RedisError, OSError) as error:
        failure = PulsingRuntimeError(f"redis failed: {error}", error)
        failure.maybe_executed = True  # type: ignore[attr-defined]
        raise failure from error
