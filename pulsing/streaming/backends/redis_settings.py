"""How a queue was set up, kept in the server beside its buckets: all nodes that knew it may be gone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pulsing.exceptions import PulsingRuntimeError
from pulsing.streaming.backends.redis_server import Server

OPTIONS = "backend_options"
WAY = "url"
"""The option that says no more than how to reach the server; it has secrets, and is not kept."""


class RedisSettings:
    """What a server knows of one queue.

    Args:
        name: of the queue in the server.
        options: those of the queue's store, as whoever asks has them.
        url: of the server.
        durability: what the server must promise to keep anything.
    """

    def __init__(self, name: str, options: Mapping[str, Any], url: str, durability: str) -> None:
        self._key = f"pulsing:{{{name}}}:settings"
        self._way = {WAY: options[WAY]} if WAY in options else {}
        self._url = url
        self._durability = durability

    async def recall(self) -> dict[str, Any] | None:
        """The settings as they were kept; None if there are none.

        Raises:
            PulsingRuntimeError: the server is away.
        """
        async with self._connected() as server:
            return self._read(await server.ask("get", self._key))

    async def keep(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Keep settings unless there are some; returns those that hold.

        Raises:
            PulsingRuntimeError: the server is away, or promises less than it must.
        """
        options = {name: value for name, value in (settings[OPTIONS] or {}).items() if name != WAY}
        async with self._connected() as server:
            await server.check_durability(self._durability)
            await server.ask("set", self._key, json.dumps({**settings, OPTIONS: options}), nx=True)
            return self._read(await server.ask("get", self._key)) or dict(settings)

    async def forget(self) -> None:
        """Remove the settings of a queue that has been deleted."""
        async with self._connected() as server:
            await server.ask("delete", self._key)

    def _read(self, kept: bytes | None) -> dict[str, Any] | None:
        if kept is None:
            return None
        settings: dict[str, Any] = json.loads(kept)
        return {**settings, OPTIONS: {**settings[OPTIONS], **self._way}}

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Server]:
        server = Server(self._url, self._key)
        try:
            yield server
        except PulsingRuntimeError as error:
            # What is asked for here may be asked twice; to whoever wants to put, nothing has happened yet.
            error.maybe_executed = False  # type: ignore[attr-defined]
            raise
        finally:
            await server.close()
