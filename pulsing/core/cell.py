"""One actor at work: takes messages from its mailbox and runs them in turn.

A cell owns no task while it is idle. When its mailbox turns non-empty it schedules one drain on the loop; the drain
runs sync methods in place and starts async ones as tasks, in mailbox order. An ask for a sync method that finds nothing
before it is run where it is made, within the bounds of `at_once`. Asks come in at `ask`, tells at `tell`, messages of
other nodes at `deliver`. What is not done in one turn is seen to in `progress`; what becomes of messages is said in
`answers`, and of generators in `pump`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pulsing.core.answers as answers
from pulsing.core.actor import CURRENT, TRACE
from pulsing.core.at_once import ASKS_PER_TURN, AtOnce
from pulsing.core.envelope import ATTRIBUTE, Envelope
from pulsing.core.late import LONG_WAIT_S, comes_too_late
from pulsing.core.lifecycle import RUNNING
from pulsing.core.mailbox import BLOCK, REJECT, Mailbox
from pulsing.core.progress import UNFINISHED, Progress
from pulsing.core.spec import CellSpec
from pulsing.core.statistics import LONG_TURN_S, QUICK_S
from pulsing.core.timers import DEFAULT_ASK_TIMEOUT
from pulsing.core.trace import NO_TRACE
from pulsing.core.turns import Turn, turn_of
from pulsing.exceptions import ActorStopped, MailboxFull

# After so many turns in a row the drain lets the loop do other things; a turn of an idle method costs about 2 µs.
TURNS_PER_DRAIN = 64


class Cell(Progress):
    """Everything that the runtime keeps for one actor."""

    __slots__ = ("_mailbox", "_scheduled", "_trace", "_turns")

    def __init__(self, system: Any, actor_id: Any, actor: Any, spec: CellSpec, **more: Any) -> None:
        super().__init__(system, actor_id, actor, spec, **more)
        self._mailbox: Mailbox | None = None
        self._scheduled = False
        self._in_progress = 0
        self._running = None
        self._streams = None
        self._worker = None
        self._turns: dict[str | None, Turn] = system.turns_of(spec)
        self._trace: bytes | None = None

    # --- taking messages -------------------------------------------------------------------------------------------

    def ask(
        self,
        method: str | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        timeout: float | None,
        stream: bool = False,
    ) -> asyncio.Future[Any]:
        """Put a call into the mailbox and return the future of its answer."""
        return self.post(Envelope(self.actor_id, method, args, kwargs, None, timeout, stream=stream))

    def post(self, envelope: Envelope) -> asyncio.Future[Any]:
        """Stamp an ask of this node, run it or put it into the mailbox, and return the future of its answer.

        Every ask comes through here, so what `deliver` does for the common case is written out.
        """
        reply = envelope.reply = self.loop.create_future()
        now = envelope.accepted_at = self.now()
        sender = CURRENT.get()
        envelope.sender = None if sender is None else sender._cell.actor_id
        envelope.trace = TRACE.get()
        envelope.deadline = None
        at_once = self.system.at_once
        begun = at_once.left and not self._scheduled and self._run_at_once(envelope, now, at_once)
        if begun and reply.done():
            return reply
        timeout = envelope.timeout
        if timeout is not None:
            deadlines = self.deadlines
            if timeout is DEFAULT_ASK_TIMEOUT:
                timeout = envelope.timeout = deadlines.usual
            envelope.deadline = now + timeout
            if timeout == deadlines.usual and deadlines.timer is not None:
                deadlines.common[envelope] = None
            else:
                deadlines.add(envelope)
        if begun:
            return reply
        mailbox = self._mailbox
        if mailbox is None or (mailbox and (mailbox.attended or len(mailbox) >= mailbox.capacity)):
            self.deliver(envelope)
        else:
            mailbox.append(envelope)
            if not self._scheduled:
                self._scheduled = True
                self.loop.call_soon(self._drain, context=self._context)
        return reply

    def _run_at_once(self, envelope: Envelope, now: float, at_once: AtOnce) -> bool:
        """Run an ask where it is made if that is all that a drain would do; False if it has to wait for its turn."""
        mailbox, turn = self._mailbox, self._turns.get(envelope.method)
        if (
            turn is None
            or not turn.in_place
            or mailbox is None
            or mailbox
            or self.state is not RUNNING
            or self._own_end
            or self._in_progress  # a task that is yet to take its first step goes first
        ):
            return False
        left = at_once.left
        if left == ASKS_PER_TURN:
            at_once.begin(now)
        elif now > at_once.until:
            at_once.left = 0
            return False
        at_once.left = 0
        try:
            self._context.run(self._run, envelope, turn, now)  # type: ignore[union-attr]
        finally:
            at_once.left = left - 1
        return True

    def tell(
        self, method: str | None, args: tuple[Any, ...], kwargs: dict[str, Any] | None
    ) -> asyncio.Future[None] | None:
        """Put a call without an answer into the mailbox.

        Returns:
            None when it was taken at once, else a future that is resolved when there was room.

        Raises:
            ActorStopped, MailboxFull: it was not taken.
        """
        sender = CURRENT.get()
        sender_id = None if sender is None else sender._cell.actor_id
        envelope = Envelope(
            self.actor_id, method, args, kwargs, None, None, None, self.now(), sender_id, TRACE.get(), False
        )
        return self.deliver(envelope, True)

    def deliver(self, envelope: Envelope, wait: bool = False) -> asyncio.Future[None] | None:
        """Take a message, or refuse it by the mailbox's policy or because the actor has ended.

        Args:
            envelope: the message; its `accepted_at` is set by the caller.
            wait: return a future when the message has to stand in line.

        Raises:
            ActorStopped, MailboxFull: only for a tell; an ask gets the error as its answer.
        """
        mailbox = self._mailbox
        if mailbox is None:
            if self.closed:
                self._refuse(envelope, "stopped", self.stopped_error(maybe_executed=False))
                return None
            mailbox = self._mailbox = Mailbox(self.spec.mailbox.capacity, self.system.mailbox_bytes)
            self.own_context()
        accepted = None if mailbox.accept(envelope) else self._deliver_to_full(mailbox, envelope, wait)
        if not self._scheduled:
            self._schedule()
        return accepted

    def _deliver_to_full(self, mailbox: Mailbox, envelope: Envelope, wait: bool) -> asyncio.Future[None] | None:
        policy = self.spec.mailbox.policy
        if policy == BLOCK:
            accepted = self.loop.create_future() if wait else None
            mailbox.line_up(envelope, accepted)
            return accepted
        error = MailboxFull(self.label, mailbox.capacity)
        if policy == REJECT:
            self._count_drop(mailbox, policy)
            self._refuse(envelope, "mailbox_full", error)
            return None
        while not mailbox.accept(envelope) and (oldest := mailbox.take()) is not None:
            self._count_drop(mailbox, policy)
            self.system.dead_letters.record(oldest, "mailbox_full", self)
            answers.refuse(self, oldest, error)
        return None

    def _count_drop(self, mailbox: Mailbox, policy: str) -> None:
        mailbox.dropped += 1
        self.counters.dropped[policy] = self.counters.dropped.get(policy, 0) + 1

    def _refuse(self, envelope: Envelope, reason: str, error: Exception) -> None:
        self.system.dead_letters.record(envelope, reason, self)
        if not envelope.is_ask:
            raise error
        answers.refuse(self, envelope, error)

    # --- running messages ------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        self._scheduled = True
        self.loop.call_soon(self._drain, context=self._context)

    def _drain(self) -> None:
        self._scheduled = False
        at_once = self.system.at_once
        left, at_once.left = at_once.left, 0
        try:
            self._take_turns()
        finally:
            at_once.left = left

    def _take_turns(self) -> None:
        """Run what waits, in order, until the mailbox is empty or it is somebody else's turn."""
        mailbox = self._mailbox
        if mailbox is None:
            return
        limit, turns = self.spec.max_concurrency, self._turns
        left = TURNS_PER_DRAIN
        started = False
        now = self.now()
        while mailbox:
            if self.state is not RUNNING or self._own_end or self._in_progress >= limit:
                break
            envelope = mailbox.popleft()
            if mailbox.attended:
                mailbox.taken_out(envelope)
            reply, deadline = envelope.reply, envelope.deadline
            if (reply is not None and reply.done()) or (deadline is not None and deadline <= now):
                answers.skip(self, envelope, now)
                continue
            turn = turns.get(envelope.method)
            if turn is None:
                turn = self.turn_for(envelope)
            if turn.is_async:
                started = True
            elif started or (turn.in_thread and self.worker.busy):
                mailbox.put_back(envelope)
                break
            now = self._run(envelope, turn, now)
            left -= 1
            if not left:
                started = True
                break
        else:
            return
        self.system.waiting.add(self)
        if started:
            # Others take their turn first: tasks just started their first step, the loop whatever else it has to do.
            self.wake()

    def turn_for(self, envelope: Envelope) -> Turn:
        """The turn that a message takes; made when a method is called for the first time on this node."""
        name = envelope.method
        turn = self._turns.get(name)
        if turn is None:
            turn = turn_of(self.spec, self.counters, name)
            if turn.function is not None:
                self._turns[name] = turn
        return turn

    def _run(self, envelope: Envelope, turn: Turn, start: float) -> float:
        """Run a method up to its result or its first wait; returns the time after it.

        Every message comes through here, so what each costs is written out instead of called.
        """
        waited = start - envelope.accepted_at
        wait = self.counters.wait
        if waited <= self.wait_max_s and waited <= QUICK_S:
            wait.quick += 1
            wait.total += waited
        else:
            if waited > LONG_WAIT_S and comes_too_late(envelope, start, turn.counters.handle.mean):
                answers.refuse_late(self, envelope, turn.counters)
                return start
            wait.observe(waited)
            if waited > self.wait_max_s:
                self.wait_max_s = waited
        self.messages += 1
        self.last_message_at = start
        self.wait_s += waited
        if envelope.trace is not self._trace:
            self._trace = envelope.trace
            TRACE.set(envelope.trace)
        reply = envelope.reply
        if reply is None:
            self.counters.tells += 1
        function, args, kwargs = turn.function, envelope.args, envelope.kwargs
        counters = turn.counters
        try:
            if function is None:
                result = self._other_name(envelope.method or "receive")
            elif turn.in_thread:
                job = self.worker.run(function, self.actor, *args, **(kwargs or {}))
                self._start_task(envelope, job, counters, start)
                return start
            else:
                result = function(self.actor, *args, **kwargs) if kwargs else function(self.actor, *args)
        except BaseException as raised:
            return answers.fail(self, envelope, raised, counters, start)
        if type(result) in UNFINISHED:
            self._go_on(envelope, result, counters, start)
            return start
        end = self.now()
        took = end - start
        counters.ok += 1
        handle = counters.handle
        self.handle_s += took
        if took <= self.handle_max_s and took <= QUICK_S:
            handle.quick += 1
            handle.total += took
        else:
            handle.observe(took)
            if took > self.handle_max_s:
                self.handle_max_s = took
            if took > LONG_TURN_S:
                answers.count_long_turn(self, envelope.method, counters, took)
        if reply is not None:
            if envelope.deadline is not None:
                deadlines = self.deadlines
                if deadlines.common.pop(envelope, reply) is reply:
                    deadlines.done(envelope)
            # Nobody can have settled it since the drain looked: the method held the loop.
            reply.set_result(result)
            if not envelope.size:
                waited += took
                asked = self.counters.asks.ok_here
                if waited <= asked.maximum and waited <= QUICK_S:
                    asked.quick += 1
                    asked.total += waited
                else:
                    asked.observe(waited)
        return end

    def _other_name(self, name: str) -> Any:
        """A name that is not in the table: an attribute to read, or nothing that may be called."""
        if name.startswith(ATTRIBUTE):
            return self._attribute(name[1:])
        raise answers.not_callable(self, name)

    def _attribute(self, name: str) -> Any:
        if not name.startswith("_") and name not in self.spec.injected:
            try:
                value = getattr(self.actor, name)
            except AttributeError:
                if answers.has_attribute(self.actor, name):
                    raise  # a property met it: an error of the actor's own
            else:
                if not callable(value):
                    return value
        raise answers.not_callable(self, name)

    def forget_trace(self) -> None:
        """Whatever is in the context of the actor, the next message brings its own."""
        self._trace = NO_TRACE

    # --- what the life of the actor asks for -----------------------------------------------------------------------

    def wake(self) -> None:
        if self._own_end:
            self.own_end_if_idle()
        elif self._mailbox is not None and len(self._mailbox) and not self._scheduled and self.state is RUNNING:
            self._schedule()

    def close_mailbox(self, refusal: ActorStopped) -> None:
        mailbox, self._mailbox = self._mailbox, None
        for envelope in () if mailbox is None else mailbox.drain(refusal):
            if not envelope.abandoned:
                self.system.dead_letters.record(envelope, "stopped", self)
            answers.refuse(self, envelope, refusal)

    # --- what listings show ----------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether messages wait or run."""
        return bool(self._in_progress or (self._mailbox is not None and len(self._mailbox)))

    @property
    def mailbox(self) -> Mailbox | None:
        """The waiting messages; None before the first one and after the end."""
        return self._mailbox

    @property
    def process(self) -> Mapping[str, Any] | None:
        """Placement, node and pid of the process of an actor that has one of its own."""
        return None
