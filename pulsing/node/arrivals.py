"""Messages of another node on their way to actors of this one: in order, within bounds, and answered if refused."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from pulsing.core.envelope import Envelope
from pulsing.exceptions import Overloaded, PulsingRuntimeError
from pulsing.ids import ActorId
from pulsing.node.answer import Answer, failure_of_message
from pulsing.node.budget import Arrival
from pulsing.wire.errors import NoRoom, ProtocolError
from pulsing.wire.frames import Ask, Credit, Full, Room, Tell, Undecodable
from pulsing.wire.session import WINDOW_BYTES, WINDOW_FRAMES, Request
from pulsing.wire.weight import LIGHT_WEIGHT, Weighed

if TYPE_CHECKING:
    from pulsing.node.link import Link

CREDIT_EVERY = WINDOW_FRAMES // 4
"""Messages after which room is given back to the other side."""

CREDIT_EVERY_BYTES = WINDOW_BYTES // 8
"""Bytes after which it is given back before that: two large values fill the window."""

AT_ONCE = 64
"""Messages delivered in one turn of the loop: their answers show whether more should be asked for."""
HELD_BYTES = 8 * WINDOW_BYTES
"""Bytes above which no further message is held back. One that has to wait for another link is refused then; one that
waits because answers have piled up is delivered, since the budget of the node counts it."""

IDS_KEPT = 1024


class Arrivals:
    """What comes over one link for actors here.

    A message for an actor whose mailbox is full stands in line without taking room from messages to others; the other
    side is told to hold back what is meant for that actor.
    """

    __slots__ = (
        "_budget",
        "_credited_bytes",
        "_first",
        "_held",
        "_held_bytes",
        "_ids",
        "_in_line",
        "_left",
        "_link",
        "_node_number",
        "_paused",
        "_scheduled",
        "_system",
        "_taken",
        "_taken_weight",
        "in_turn",
    )

    def __init__(self, link: Link) -> None:
        self._link = link
        self._budget = link.peer.node.budget
        self._system = link.system
        self._node_number = link.system.node_id.id
        self._ids: dict[int, ActorId] = {}
        self._first: int | None = None
        self._held: deque[tuple[Ask | Tell, Request[Any] | None, int]] = deque()
        self._held_bytes = 0
        self._left = 0
        self._scheduled = self._paused = False
        self._in_line: dict[int, int] = {}
        self._taken = 0
        self._taken_weight = 0
        self._credited_bytes = 0
        self.in_turn = False
        """Whether nothing that was sent earlier can come over another link any more."""

    def take(self, frame: Ask | Tell, request: Request[Any] | None) -> None:
        """Deliver a message, or hold it back until it is the link's turn, and there is room for what it will bring."""
        if self._left:
            self._left -= 1
            self._deliver(frame, request)
            return
        weight = frame.args.weight if type(frame.args) is Weighed else LIGHT_WEIGHT
        if self._first is None:
            self._first = frame.sequence
        if not self.in_turn and self._held_bytes + weight > HELD_BYTES:
            self._refuse_for_now(self._envelope(self._id_of(frame.target), frame, request))
            self._count_taken(frame)
            return
        self._held.append((frame, request, weight))
        self._held_bytes += weight
        if self.in_turn:
            self._go_on_later()
        else:
            self._link.peer.holds_back = True

    @property
    def first_message(self) -> int | None:
        """Number of the first message that came complete."""
        return self._first

    @property
    def holds_back(self) -> bool:
        """Whether messages wait for the link's turn."""
        return bool(self._held) and not self.in_turn

    @property
    def in_hand(self) -> bool:
        """Whether messages wait although it is the link's turn."""
        return bool(self._held) and self.in_turn

    def take_turn(self) -> None:
        """Deliver what was held back; what comes from now on need not wait for other links."""
        self.in_turn = True
        self._go_on()

    def pause(self) -> None:
        """Deliver nothing for now: answers have piled up that the other side does not take."""
        if not self._paused:
            self._paused = True
            self._left = 0
            self._link.outbox.when_smaller(self._resume)

    def _resume(self) -> None:
        self._paused = False
        self._go_on_later()

    def _go_on_later(self) -> None:
        if not self._scheduled and (not self._paused or self._held_bytes > HELD_BYTES):
            self._scheduled = True
            self._system.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Deliver the next messages."""
        self._scheduled = False
        left = AT_ONCE
        while self._held and left and (not self._paused or self._held_bytes > HELD_BYTES):
            frame, request, weight = self._held.popleft()
            self._held_bytes -= weight
            left -= 1
            self._deliver(frame, request)
        if self._held:
            self._go_on_later()
        else:
            self._left = 0 if self._paused else left
            self._link.look_around()

    def clear(self) -> None:
        """The link is lost: what was held back counts as lost with it."""
        self._held.clear()
        self._held_bytes = 0

    def _deliver(self, frame: Ask | Tell, request: Request[Any] | None) -> None:
        peer = self._link.peer
        if frame.sequence > peer.delivered:
            peer.delivered = frame.sequence
        if request is None or not request.is_over:  # else its caller left while it was held back
            target = self._ids.get(frame.target) or self._id_of(frame.target)
            envelope = self._envelope(target, frame, request)
            here = frame.target >> 64 == self._node_number or self._is_guest(target)
            if here and type(frame.args) is not Undecodable:
                if self._budget.held <= self._budget.limit or self._is_systems(target):
                    self._hand_over(envelope)
                else:
                    self._refuse_for_now(envelope)
            else:
                self._refuse(envelope, frame.args)
        self._count_taken(frame)

    def _count_taken(self, frame: Ask | Tell) -> None:
        """Give room back to the other side, now and then.

        Bytes come before the messages that they belong to: most of a large value may have come when room was given for
        another one. So what has been taken counts as well, or its room would never be given.
        """
        self._taken += 1
        if type(frame.args) is Weighed:
            self._taken_weight += frame.args.weight
        if (
            self._taken >= CREDIT_EVERY
            or self._link.bytes_in - self._credited_bytes >= CREDIT_EVERY_BYTES
            or self._taken_weight >= CREDIT_EVERY_BYTES
        ):
            self._give_room()

    def _is_guest(self, target: ActorId) -> bool:
        """Whether an actor that goes by an id of another node runs here."""
        return self._system.guest_of is not None and self._system.registry.by_id(target) is not None

    def _envelope(self, target: ActorId, frame: Any, request: Request[Any] | None) -> Envelope:
        now = self._system.now()
        args, size = frame.args, LIGHT_WEIGHT
        if type(args) is not tuple:
            args, size = (tuple(args), LIGHT_WEIGHT + args.weight) if type(args) is Weighed else ((), LIGHT_WEIGHT)
        sender = None if frame.sender is None else self._ids.get(frame.sender) or self._id_of(frame.sender)
        answer = timeout = deadline = None
        stream = False
        if request is not None:
            answer = request.context = Answer(self._link, request)
            stream = frame.stream
            left_ms = frame.deadline_ms
            if left_ms is not None:
                timeout = left_ms / 1000
                deadline = now + timeout
        arrival = Arrival(
            target, frame.method, args, frame.kwargs, answer, timeout, deadline, now, sender, frame.trace, stream
        )
        arrival.size = size
        budget = arrival.budget = self._budget
        budget.held += size
        return arrival

    def _id_of(self, number: int) -> ActorId:
        """The id behind a number. Making one checks it, which costs more than remembering those in use."""
        if len(self._ids) >= IDS_KEPT:
            self._ids.clear()
        actor_id = self._ids[number] = ActorId(number)
        return actor_id

    def _hand_over(self, envelope: Envelope) -> None:
        try:
            accepted = self._system.deliver(envelope)
        except PulsingRuntimeError:
            accepted = None  # a tell that was refused; the dead letters have it
        if accepted is not None:
            self._stand_in_line(envelope.target.id)
            self._leave_line_after(accepted, envelope.target.id)

    def _stand_in_line(self, target: int) -> None:
        waiting = self._in_line[target] = self._in_line.get(target, 0) + 1
        if waiting == 1:
            self._link.send(Full(target))
        elif waiting > WINDOW_FRAMES:
            raise ProtocolError(f"messages for {ActorId(target)} come although it has no room")

    def _leave_line_after(self, accepted: asyncio.Future[None], target: int) -> None:
        accepted.add_done_callback(lambda done: self._leave_line(done, target))

    def _leave_line(self, accepted: asyncio.Future[None], target: int) -> None:
        if not accepted.cancelled():
            accepted.exception()  # looked at: an ask is answered, and of a tell that was lost the dead letters know
        self._in_line[target] -= 1
        if not self._in_line[target]:
            del self._in_line[target]
            self._link.send(Room(target))

    def _is_systems(self, target: ActorId) -> bool:
        """Whether it is an actor of the system, which must be reached even when memory is short."""
        cell = self._system.registry.by_id(target)
        return cell is not None and cell.spec.kind == "system"

    def _refuse_for_now(self, envelope: Envelope) -> None:
        self._system.dead_letters.record(envelope, "mailbox_full")
        envelope.fail(Overloaded("memory for messages of other nodes, in bytes,", self._budget.limit))

    def _refuse(self, envelope: Envelope, args: object) -> None:
        if isinstance(args, Undecodable) and isinstance(args.error, NoRoom):
            self._refuse_for_now(envelope)
            return
        if isinstance(args, Undecodable):
            self._link.totals.errors["decode"] += 1
            self._system.dead_letters.record(envelope, "decode")
            refusal = f"arguments cannot be read by the other node: {args.error}"
        else:
            self._system.dead_letters.record(envelope, "no_actor")
            refusal = f"{envelope.target} is not an actor of node {self._system.node_id}"
        envelope.fail(failure_of_message(refusal, maybe_executed=False))

    def _give_room(self) -> None:
        self._link.send(Credit(0, self._taken))
        self._taken = self._taken_weight = 0
        self._credited_bytes = self._link.bytes_in
