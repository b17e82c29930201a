"""How long the admin plane waits for a request and for its answer to be read, and whom it lets go when too many wait.

uvicorn itself would wait for ever for the rest of a request or for room for an answer, and refuse everybody while 256
connections are open: some sockets that say nothing, or take nothing, would keep out probes and people alike.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""From the connection, or the first byte after an answer, to the end of the request's headers."""
BODY_S = 30.0
"""From there to the end of its body, which has 1 MiB at most."""
UNREAD_S = 60.0
"""Without any room for more of an answer. The system tells of room in pieces of up to a megabyte."""

_UNREAD = object()


class PatientProtocol(H11Protocol):
    """uvicorn's connection, which ends when its request does not come or its answer is not read, and makes room."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waits_since: float | None = None
        """when it began to wait for what it waits for now; None while a request is answered"""
        self._waits_for: object = None
        self._patience: asyncio.TimerHandle | None = None
        self._unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def _unsupported_upgrade_warning(self) -> None:
        # A stranger's wish is no warning, and the advice to install a library is none for who runs the node.
        return

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.transport.get_write_buffer_size()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_for(None, 0.0)
        super().connection_lost(exc)

    def let_go(self) -> None:
        """End the connection now."""
        self.connections.discard(self)
        self.transport.abort()

    def run_out(self) -> None:
        """End a wait that has lasted long enough, unless some of the answer has been read meanwhile."""
        unread = self.transport.get_write_buffer_size()
        if self._waits_for is _UNREAD and unread < self._unread:
            self._unread = unread
            self._wait_for(None, 0.0)
            self._watch()
        else:
            self.let_go()

    def _make_room(self) -> None:
        waiting = [one for one in self.connections if isinstance(one, PatientProtocol) and one.waits_since is not None]
        oldest = min(waiting, key=lambda one: one.waits_since or 0.0)
        if oldest is not self:
            oldest.let_go()

    def _watch(self) -> None:
        state = self.conn.their_state
        if self.flow.write_paused:
            self._wait_for(_UNREAD, UNREAD_S)
        elif state is h11.IDLE:
            self._wait_for(state, HEAD_S)
        elif state is h11.SEND_BODY:
            self._wait_for(state, BODY_S)
        else:
            self._wait_for(None, 0.0)

    def _wait_for(self, what: object, seconds: float) -> None:
        if what is self._waits_for:
            return
        self._waits_for = what
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self.waits_since = None
        if what is not None:
            self.waits_since = self.loop.time()
            self._patience = self.loop.call_later(seconds, self.run_out)
