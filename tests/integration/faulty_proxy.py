"""A relay of TCP connections that can be slow, pass single bytes, stand still, forget one side, or reset both."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from typing import cast

_RESET_AT_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER of no seconds: closing sends a reset."""


class FaultyProxy:
    """Passes on what comes to its address.

    Attributes:
        delay_s: the least and the most that each piece is held back; pieces keep their order.
        piece: the most bytes that are written at once.
        reset_after: so many more bytes, either way, then every connection is reset; None for never.
        resets: how often that came to pass.

    Args:
        target: the port of 127.0.0.1 to which it passes.
        chance: from which delays come.
    """

    def __init__(self, target: int, chance: random.Random) -> None:
        self.delay_s = (0.0, 0.0)
        self.piece = 0
        self.reset_after: int | None = None
        self.resets = 0
        self.diallers: list[_End] = []
        self.targets: list[_End] = []
        """Open ends of connections, the oldest first."""
        self._target = target
        self._chance = chance
        self._server: asyncio.Server

    async def listen(self) -> str:
        """Take a free port; returns the address."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _End(self, None), "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"{host}:{port}"

    async def close(self) -> None:
        """End it, with all connections."""
        self._server.close()
        self.reset()
        await self._server.wait_closed()

    def reset(self) -> None:
        """Reset every connection at both ends."""
        for end in (*self.diallers, *self.targets):
            end.reset()

    def forget_diallers(self) -> None:
        """Reset every connection at the dialler's end and let the target's stay open in silence."""
        for dialler in list(self.diallers):
            dialler.partner = None
            dialler.reset()
        for target in self.targets:
            target.partner = None

    def stand_still(self) -> None:
        """Read nothing more from any connection that there is."""
        for end in (*self.diallers, *self.targets):
            end.transport.pause_reading()

    async def dial(self, dialler: _End) -> None:
        """Lead a new connection to the target."""
        loop = asyncio.get_running_loop()
        try:
            _, target = await loop.create_connection(lambda: _End(self, dialler), "127.0.0.1", self._target)
        except OSError:
            dialler.reset()
            return
        dialler.partner = target
        dialler.transport.resume_reading()

    def pause(self) -> float:
        """For how long the next piece is held back."""
        return self._chance.uniform(*self.delay_s)

    def passes(self, data: bytes) -> bytes:
        """As much of a piece as passes before the reset that was ordered."""
        if self.reset_after is None:
            return data
        passed = data[: self.reset_after]
        self.reset_after -= len(passed)
        return passed

    def has_passed(self) -> None:
        """Reset, if that was ordered after what has passed by now."""
        if self.reset_after == 0:
            self.reset_after = None
            self.resets += 1
            self.reset()


class _End(asyncio.Protocol):
    """One end of a connection that is passed on."""

    def __init__(self, proxy: FaultyProxy, partner: _End | None) -> None:
        self.partner = partner
        self.transport: asyncio.Transport
        self._proxy = proxy
        self._is_dialler = partner is None
        self._held: deque[bytes] = deque()
        self._due = 0.0
        self._dialling: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._open_ends.append(self)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._is_dialler:
            self.transport.pause_reading()
            self._dialling = asyncio.get_running_loop().create_task(self._proxy.dial(self))

    def data_received(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        self._held.append(self._proxy.passes(data))
        self._due = max(self._due, loop.time() + self._proxy.pause())
        loop.call_at(self._due, self._pass_on)
        self._proxy.has_passed()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_ends.remove(self)
        # After all that is held back.
        asyncio.get_running_loop().call_at(self._due, self._end_partner)

    def reset(self) -> None:
        """End it by a reset."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
        self.transport.abort()

    def _pass_on(self) -> None:
        # Of two that are due at the same time the loop may run the later one first: which is not what it is called for.
        data = self._held.popleft()
        if self.partner is None or self.partner.transport.is_closing():
            return
        size = self._proxy.piece or max(1, len(data))
        for start in range(0, len(data), size):
            self.partner.transport.write(data[start : start + size])

    def _end_partner(self) -> None:
        if self._held:
            asyncio.get_running_loop().call_soon(self._end_partner)
        elif self.partner is not None:
            self.partner.transport.close()

    @property
    def _open_ends(self) -> list[_End]:
        return self._proxy.diallers if self._is_dialler else self._proxy.targets

    @property
    def _socket(self) -> socket.socket:
        return cast("socket.socket", self.transport.get_extra_info("socket"))


@contextlib.asynccontextmanager
async def proxy_to(port: int, seed: int) -> AsyncIterator[tuple[FaultyProxy, str]]:
    """A proxy before a port of 127.0.0.1, and its address."""
    proxy = FaultyProxy(port, random.Random(seed))
    addr = await proxy.listen()
    try:
        yield proxy, addr
    finally:
        await proxy.close()
