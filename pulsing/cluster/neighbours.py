"""The open lines of membership: which there are, when each was last heard, and which have to go when there are many."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Protocol

from pulsing.cluster.allowance import Allowance
from pulsing.cluster.messages import carries_names
from pulsing.logs import logger_of
from pulsing.transport import Connection

logger = logger_of(__name__)

MAX_NEIGHBOURS = 64
"""Nodes with an open line; the least recently used ones are closed."""
MESSAGES_PER_S, MOST_MESSAGES = 400.0, 2_000.0
BYTES_PER_S, MOST_BYTES = 128.0 * 1024, 2.0 * 1024 * 1024
"""What one node may say of members: all that there can be, several times. Reading a mebibyte takes 0.3 s."""
NAME_BYTES_PER_S, MOST_NAME_BYTES = 2.0 * 1024 * 1024, 64.0 * 1024 * 1024
"""What one node may send of names: all those of a large node at once, but not for ever."""
PAUSE_S = 0.25
"""For how long nothing is read from one that sends more: to read and drop a flood would take all of a core."""
MAX_SENDERS = 1_024
"""Nodes whose spending is remembered, so that a new line is no new purse."""
MAX_UNSENT = 48 * 1024 * 1024
"""Bytes that may wait for a slow node, which is as much as its copy of the largest map of names."""


class Owner(Protocol):
    """Who takes what lines bring."""

    def taken(self, node_id: int, payload: bytes) -> bool:
        """A payload of a node has arrived; whether it was a message."""
        ...

    def lost(self, node_id: int) -> None:
        """The last line to a node has broken."""
        ...


class Neighbours:
    """Nodes that this one has a line to.

    There are two lines to a node where both have dialled; either will do.

    Attributes:
        dropped: payloads that were too many and have not been looked at.
    """

    def __init__(self, owner: Owner) -> None:
        self.dropped = 0
        self._owner = owner
        self._lines: OrderedDict[int, list[Line]] = OrderedDict()
        self._senders: OrderedDict[int, Sender] = OrderedDict()

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, node_id: int) -> bool:
        return node_id in self._lines

    def send(self, node_id: int, payload: bytes) -> bool:
        """Send over an open line; False where there is none."""
        lines = self._lines.get(node_id)
        if lines is None:
            return False
        self._lines.move_to_end(node_id)
        lines[0].send(payload)
        return True

    def heard_within(self, node_id: int, seconds: float, now: float) -> bool:
        """Whether bytes of a node came so lately."""
        return any(now - line.heard_at < seconds for line in self._lines.get(node_id, ()))

    def add(self, connection: Connection, *, dialled: bool) -> Line:
        """Take a new line into use; whoever dials again has given the earlier one up."""
        node_id = connection.peer.node_id.id
        line = Line(self, connection, dialled, self._sender(node_id))
        lines = self._lines.setdefault(node_id, [])
        for old in [other for other in lines if other.dialled == dialled]:
            lines.remove(old)
            old.connection.abort()
        lines.append(line)
        self._lines.move_to_end(node_id)
        if len(self._lines) > MAX_NEIGHBOURS:
            _, spare = self._lines.popitem(last=False)
            for other in spare:
                other.connection.close(1000, "least used")
        return line

    def took(self, line: Line, payload: bytes) -> None:
        """Bytes have arrived on a line."""
        node_id = line.node_id
        if not line.sender.may_bring(payload, line.heard_at):
            self._drop(line)
            return
        if node_id in self._lines:
            self._lines.move_to_end(node_id)
        if not self._owner.taken(node_id, payload):
            line.connection.close(1002, "that was no message of membership")

    def _sender(self, node_id: int) -> Sender:
        sender = self._senders.pop(node_id, None) or Sender()
        self._senders[node_id] = sender
        if len(self._senders) > MAX_SENDERS:
            self._senders.popitem(last=False)
        return sender

    def _drop(self, line: Line) -> None:
        self.dropped += 1
        line.pause()
        if not line.sender.floods:
            line.sender.floods = True
            logger.warning("node %016x floods this one: part of what it sends is dropped", line.node_id)

    def gone(self, line: Line, error: Exception | None) -> None:
        """A line has ended, in good order where there is no error."""
        lines = self._lines.get(line.node_id, [])
        if line not in lines:
            return
        lines.remove(line)
        if not lines:
            del self._lines[line.node_id]
            if error is not None:
                self._owner.lost(line.node_id)

    def close(self) -> None:
        """Close all lines."""
        for lines in self._lines.values():
            for line in lines:
                line.connection.close(1001, "shutdown")

    def abort(self) -> None:
        """Drop all lines."""
        for lines in self._lines.values():
            for line in lines:
                line.connection.abort()


class Sender:
    """What one node has sent, over whichever lines."""

    def __init__(self) -> None:
        self.floods = False
        """Whether more came than a member has to say."""
        self._messages = Allowance(MESSAGES_PER_S, MOST_MESSAGES)
        self._bytes = Allowance(BYTES_PER_S, MOST_BYTES)
        self._name_bytes = Allowance(NAME_BYTES_PER_S, MOST_NAME_BYTES)

    def may_bring(self, payload: bytes, now: float) -> bool:
        """Whether this may come now too."""
        purse = self._name_bytes if carries_names(payload) else self._bytes
        return self._messages.spend(1, now) and purse.spend(len(payload), now)


class Line:
    """One connection that carries messages of membership (`pulsing.transport.ConnectionHandler`)."""

    def __init__(self, neighbours: Neighbours, connection: Connection, dialled: bool, sender: Sender) -> None:
        self.connection = connection
        self.dialled = dialled
        self.node_id = connection.peer.node_id.id
        self.sender = sender
        self._neighbours = neighbours
        self._loop = asyncio.get_running_loop()
        self._is_paused = False
        self.heard_at = self._loop.time()

    def send(self, payload: bytes) -> None:
        """Send a payload, unless the other end has not taken the earlier ones for long."""
        if self.connection.buffered_bytes < MAX_UNSENT:
            self.connection.send(payload)

    def pause(self) -> None:
        """Read nothing more for a moment."""
        if not self._is_paused:
            self._is_paused = True
            self.connection.pause_reading()
            self._loop.call_later(PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        self._is_paused = False
        self.connection.resume_reading()

    def on_message(self, data: bytes | bytearray) -> None:
        self.heard_at = self._loop.time()
        self._neighbours.took(self, bytes(data))

    def on_lost(self, error: Exception | None) -> None:
        self._neighbours.gone(self, error)

    def on_blocked(self) -> None:
        """What waits is bounded by `send`."""

    def on_writable(self) -> None:
        """What waits is bounded by `send`."""
