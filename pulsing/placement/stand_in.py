"""An actor that runs in another process, in the books of its own node: its id, its name, its mailbox, its restarts.

Messages go on to the process as they come, in order, as long as the actor there has room for them; while there is no
process they wait. Answers come back as those of any actor on another node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pulsing.core.answers as answers
from pulsing.core.at_once import AtOnce
from pulsing.core.cell import Cell
from pulsing.core.envelope import Envelope
from pulsing.core.lifecycle import RUNNING
from pulsing.exceptions import LinkLost, NodeDead, PulsingError
from pulsing.node.peer import Peer
from pulsing.placement.outpost import Outpost

LOOK_AGAIN_S = 0.1


class StandIn(Cell):
    """The cell of an actor that lives in a process of its own."""

    __slots__ = ("_away", "_looks_again", "_outpost", "_peer")

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._away: set[Relay] = set()
        """What was sent on and is not answered yet."""
        self._outpost: Outpost = self.actor
        self._peer: Peer | None = None
        self._looks_again: asyncio.TimerHandle | None = None

    def connect(self, outpost: Outpost, peer: Peer) -> None:
        """Send messages to this process from now on."""
        self._outpost, self._peer = outpost, peer

    def deliver(self, envelope: Envelope, wait: bool = False) -> asyncio.Future[None] | None:
        if self.state is RUNNING and not self.mailbox and self._has_room:
            return self._send_on(envelope)
        return super().deliver(envelope, wait)

    def _run_at_once(self, envelope: Envelope, now: float, at_once: AtOnce) -> bool:
        return False  # it is run elsewhere

    def begin_end(self, reason: str, error: Exception | None, timeout: float | None) -> None:
        self._outpost.hurry(reason, timeout)
        super().begin_end(reason, error, timeout)

    @property
    def busy(self) -> bool:
        return bool(self._away) or super().busy

    @property
    def in_progress(self) -> list[Envelope]:
        return [relay.envelope for relay in self._away]

    @property
    def process(self) -> Mapping[str, Any] | None:
        return self._outpost.row()

    def came_back(self, relay: Relay) -> None:
        """A message that was sent on needs no more answer."""
        self._away.discard(relay)
        self.wake()

    def not_sent(self, relay: Relay) -> bool:
        """Let a message that never left this node wait for the next process; False if there will be none."""
        if self.closed:
            return False
        self._away.discard(relay)
        if self.mailbox:
            self.mailbox.bring_back(relay.envelope)
            self.wake()
        else:
            super().deliver(relay.envelope)
        return True

    @property
    def _has_room(self) -> bool:
        """Whether the actor there can take more: it may hold as many messages as its mailbox, and as many turns.

        Nothing is sent while there is no link. Whoever watches the process brings it back, or tells that it is gone.
        """
        return self._is_linked and len(self._away) < self.spec.mailbox.capacity + self.spec.max_concurrency

    @property
    def _is_linked(self) -> bool:
        return self._peer is not None and self._peer.link is not None

    def _drain(self) -> None:
        self._scheduled = False
        mailbox = self._mailbox
        while mailbox and self.state is RUNNING and self._has_room:
            envelope = mailbox.popleft()
            if mailbox.attended:
                mailbox.taken_out(envelope)
            now = self.now()
            if envelope.abandoned or envelope.expired(now):
                answers.skip(self, envelope, now)
            elif (taken := self._send_on(envelope)) is not None:
                taken.add_done_callback(_heeded)
        if mailbox and self.state is RUNNING and not self._is_linked and self._looks_again is None:
            self._looks_again = self.loop.call_later(LOOK_AGAIN_S, self._look_again)

    def _look_again(self) -> None:
        self._looks_again = None
        self.wake()

    def _send_on(self, envelope: Envelope) -> asyncio.Future[None] | None:
        assert self._peer is not None
        self.messages += 1
        self.last_message_at = self.now()
        if envelope.reply is not None:
            self._peer.ask(self._relayed(envelope))
            return None
        self.counters.tells += 1
        taken: asyncio.Future[None] = self._peer.tell(envelope)  # type: ignore[assignment]
        if not taken.done():
            return taken
        taken.result()
        return None

    def _relayed(self, envelope: Envelope) -> Envelope:
        relay = Relay(self, envelope)
        self._away.add(relay)
        return Envelope(
            envelope.target,
            envelope.method,
            envelope.args,
            envelope.kwargs,
            relay,
            envelope.timeout,
            envelope.deadline,
            envelope.accepted_at,
            envelope.sender,
            envelope.trace,
            envelope.stream,
        )


class Relay:
    """Takes the answer of a message that was sent on, counts it, and gives it to whoever asked."""

    __slots__ = ("_cell", "_start", "envelope")

    def __init__(self, cell: StandIn, envelope: Envelope) -> None:
        assert envelope.reply is not None
        self.envelope = envelope
        self._cell = cell
        self._start = cell.now()
        envelope.reply.add_done_callback(self._over)

    def done(self) -> bool:
        return self.envelope.abandoned

    def cancelled(self) -> bool:
        return self.envelope.reply is not None and self.envelope.reply.cancelled()

    def add_done_callback(self, callback: Callable[[Any], Any], /) -> None:
        assert self.envelope.reply is not None
        self.envelope.reply.add_done_callback(callback)

    def set_result(self, value: Any, /) -> None:
        cell, envelope = self._cell, self.envelope
        answers.succeed(cell, envelope, value, cell.turn_for(envelope).counters, self._start)
        cell.came_back(self)

    def set_exception(self, error: BaseException, /) -> None:
        cell, envelope = self._cell, self.envelope
        if isinstance(error, (LinkLost, NodeDead)) and not error.maybe_executed and cell.not_sent(self):
            return
        answers.note_error(cell, envelope.method, error, cell.turn_for(envelope).counters)
        answers.refuse(cell, envelope, error)
        cell.came_back(self)
        if isinstance(error, PulsingError):
            answers.fail_actor_by(cell, error, error)

    def _over(self, _: Any) -> None:
        """It was answered, its time is over, or its sender has left."""
        self._cell.system.deadlines.done(self.envelope)
        self._cell.came_back(self)


def _heeded(taken: asyncio.Future[None]) -> None:
    """Look at the end of a message that wants no answer; the dead letters have it if it was lost."""
    if not taken.cancelled():
        taken.exception()
