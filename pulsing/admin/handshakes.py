"""TLS handshakes on the listener of the admin plane: they are few at a time, and short.

uvicorn would count a connection only when its handshake is over, for which asyncio waits a minute: by sockets that say
nothing a stranger could use up the descriptors of the process. So connections are taken in without TLS and counted, and
begin it then.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Callable
from typing import Any

HANDSHAKE_S = 5.0
"""The time that a handshake may take, and the other end's goodbye."""
MOST = 64
"""Handshakes under way; with one more the oldest ends, so that those who say nothing keep nobody out."""


class Handshakes:
    """Those under way on one listener.

    Args:
        context: the listener's certificate.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self._under_way: dict[_Handshake, None] = {}

    def before(self, make: Callable[[], asyncio.Protocol]) -> asyncio.Protocol:
        """What takes in a connection that `make`'s protocol gets when it is encrypted."""
        return _Handshake(self, make)

    def begun(self, one: _Handshake) -> None:
        """A connection has been opened."""
        self._under_way[one] = None
        if len(self._under_way) > MOST:
            next(iter(self._under_way)).end()

    def ended(self, one: _Handshake) -> None:
        """A handshake is over, or its connection."""
        self._under_way.pop(one, None)

    def close(self) -> None:
        """End them all."""
        for one in list(self._under_way):
            one.end()


class _Handshake(asyncio.Protocol):
    """A connection until it is encrypted."""

    def __init__(self, handshakes: Handshakes, make: Callable[[], asyncio.Protocol]) -> None:
        self._handshakes = handshakes
        self._make = make
        self._early = bytearray()
        self._transport: asyncio.Transport
        self._shaking: asyncio.Task[None]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.pause_reading()
        self._transport = transport
        self._shaking = asyncio.get_running_loop().create_task(self._shake())
        self._handshakes.begun(self)

    def data_received(self, data: bytes) -> None:
        # Some clients send their request with the end of the handshake.
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._handshakes.ended(self)

    def end(self) -> None:
        """End the connection now."""
        self._handshakes.ended(self)
        self._shaking.cancel()
        self._transport.abort()

    async def _shake(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            with contextlib.suppress(OSError, asyncio.TimeoutError):  # with its end the connection ends
                context = self._handshakes.context
                transport = await loop.start_tls(self._transport, self, context, server_side=True, **_in_time())
                assert transport is not None
                self._give(transport)
        finally:
            self._handshakes.ended(self)

    def _give(self, transport: asyncio.Transport) -> None:
        protocol = self._make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._early:
            protocol.data_received(bytes(self._early))


def _in_time() -> dict[str, Any]:
    # Before Python 3.11 nobody waits for a goodbye.
    goodbye = {} if sys.version_info < (3, 11) else {"ssl_shutdown_timeout": HANDSHAKE_S}
    return {"ssl_handshake_timeout": HANDSHAKE_S, **goodbye}
