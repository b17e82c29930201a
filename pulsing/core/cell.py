"""One actor at work: takes messages from its mailbox and runs them in turn.

A cell owns no task while it is idle. When its mailbox turns non-empty it schedules one drain on the loop; the drain
runs sync methods in place and starts async ones as tasks, in mailbox order. Asks come in at `ask`, tells at `tell`,
messages of other nodes at `deliver`; what becomes of them is said in `answers`, and of generators in `pump`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

import pulsing.core.answers as answers
from pulsing.core.actor import CURRENT, TRACE
from pulsing.core.envelope import ATTRIBUTE, Envelope
from pulsing.core.life import current_task
from pulsing.core.lifecycle import RUNNING
from pulsing.core.mailbox import BLOCK, REJECT, Mailbox
from pulsing.core.messages import Message, StreamMessage
from pulsing.core.pump import give_stream, is_awaited_only, run_out
from pulsing.core.spec import CellSpec
from pulsing.core.starting import Starting
from pulsing.core.statistics import LONG_TURN_S, QUICK_S, MethodCounters
from pulsing.core.steps import in_steps
from pulsing.core.streams import Channel
from pulsing.core.timers import DEFAULT_ASK_TIMEOUT
from pulsing.core.turns import Turn, turn_of
from pulsing.core.worker import Worker
from pulsing.exceptions import ActorStopped, MailboxFull

# After so many turns in a row the drain lets the loop do other things; a turn of an idle method costs about 2 µs.
TURNS_PER_DRAIN = 64

_GENERATORS = frozenset({GeneratorType, AsyncGeneratorType})
_UNFINISHED = _GENERATORS | {CoroutineType, Message, StreamMessage}
"""Types of results that are not yet what the caller waits for."""


class Cell(Starting):
    """Everything that the runtime keeps for one actor."""

    __slots__ = (
        "_in_progress",
        "_mailbox",
        "_running",
        "_scheduled",
        "_streams",
        "_trace",
        "_turns",
        "_worker",
        "handle_max_s",
        "handle_s",
        "last_errors",
        "last_message_at",
    )

    def __init__(self, system: Any, actor_id: Any, actor: Any, spec: CellSpec, **more: Any) -> None:
        super().__init__(system, actor_id, actor, spec, **more)
        self.handle_s = 0.0
        self.handle_max_s = 0.0
        self.last_message_at: float | None = None
        self.last_errors: list[tuple[float, str, str, str]] | None = None
        self._mailbox: Mailbox | None = None
        self._scheduled = False
        self._in_progress = 0
        self._running: dict[Envelope, tuple[asyncio.Task[None], Any]] | None = None
        self._turns: dict[str | None, Turn] = system.turns_of(spec)
        self._streams: set[Channel] | None = None
        self._trace: bytes | None = None
        self._worker: Worker | None = None

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
        """Stamp an ask of this node, put it into the mailbox and return the future of its answer.

        Every ask comes through here, so what `deliver` does for the common case is written out.
        """
        reply = envelope.reply = self.loop.create_future()
        now = envelope.accepted_at = self.now()
        sender = CURRENT.get()
        envelope.sender = None if sender is None else sender._cell.actor_id
        envelope.trace = TRACE.get()
        timeout = envelope.timeout
        if timeout is None:
            envelope.deadline = None
        else:
            envelope.deadline = now + timeout
            deadlines = self.deadlines
            if timeout == DEFAULT_ASK_TIMEOUT and deadlines.timer is not None:
                deadlines.common[envelope] = None
            else:
                deadlines.add(envelope)
        mailbox = self._mailbox
        if mailbox is None or (mailbox and (mailbox.line or len(mailbox) >= mailbox.capacity)):
            self.deliver(envelope)
        else:
            mailbox.append(envelope)
            if not self._scheduled:
                self._scheduled = True
                self.loop.call_soon(self._drain, context=self._context)
        return reply

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
            mailbox = self._mailbox = Mailbox(self.spec.mailbox.capacity)
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
        self.counters.dropped[policy] = self.counters.dropped.get(policy, 0) + 1
        error = MailboxFull(self.label, mailbox.capacity)
        if policy == REJECT:
            self._refuse(envelope, "mailbox_full", error)
            return None
        oldest = mailbox.drop_oldest()
        self.system.dead_letters.record(oldest, "mailbox_full", self)
        answers.refuse(self, oldest, error)
        mailbox.accept(envelope)
        return None

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
        """Run what waits, in order, until the mailbox is empty or it is somebody else's turn."""
        self._scheduled = False
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
            if mailbox.line:
                mailbox.move_up()
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
        self.messages += 1
        self.last_message_at = start
        waited = start - envelope.accepted_at
        wait = self.counters.wait
        if waited <= QUICK_S and waited <= wait.maximum:
            wait.quick += 1
            wait.total += waited
        else:
            wait.observe(waited)
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
        if type(result) in _UNFINISHED:
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
        return end

    def _other_name(self, name: str) -> Any:
        """A name that is not in the table: an attribute to read, or nothing that may be called."""
        if name.startswith(ATTRIBUTE):
            return self._attribute(name[1:])
        raise answers.not_callable(self, name)

    def _attribute(self, name: str) -> Any:
        if not name.startswith("_") and name not in self.spec.injected:
            value = getattr(self.actor, name)
            if not callable(value):
                return value
        raise answers.not_callable(self, name)

    # --- messages that are not done in one turn --------------------------------------------------------------------

    def _go_on(self, envelope: Envelope, result: Any, counters: MethodCounters, start: float) -> None:
        """A method gave something to wait for, a generator or an explicit message."""
        if type(result) is CoroutineType or is_awaited_only(self, envelope, result):
            self._start_task(envelope, result, counters, start)
        else:
            answers.count_ok(self, counters, start)
            give_stream(self, envelope, result, counters)

    def _start_task(self, envelope: Envelope, work: Any, counters: MethodCounters, start: float) -> None:
        self._in_progress += 1
        task = self.loop.create_task(self._finish(envelope, work, counters, start))
        if self._running is None:
            self._running = {}
        self._running[envelope] = task, work
        if self.spec.cancellable and envelope.reply is not None:
            envelope.reply.add_done_callback(
                lambda reply: self._cancel(envelope) if reply.cancelled() else None,
            )

    async def _finish(self, envelope: Envelope, work: Any, counters: MethodCounters, start: float) -> None:
        """Wait for the result of a method, and for what the result turns out to be."""
        try:
            if type(work) is CoroutineType:
                result = await in_steps(self, envelope.method, counters, work)
            else:
                result = work if type(work) in _GENERATORS else await work
            if type(result) not in _UNFINISHED:
                answers.succeed(self, envelope, result, counters, start)
            elif is_awaited_only(self, envelope, result):
                await in_steps(self, envelope.method, counters, run_out(self, result, counters))
                answers.succeed(self, envelope, None, counters, start)
            else:
                answers.count_ok(self, counters, start)
                give_stream(self, envelope, result, counters)
        except BaseException as raised:
            answers.fail(self, envelope, raised, counters, start)
        finally:
            self._done(envelope)

    def _done(self, envelope: Envelope) -> None:
        assert self._running is not None
        del self._running[envelope]
        self._in_progress -= 1
        self.wake()

    def _cancel(self, envelope: Envelope) -> None:
        if self._running is not None and envelope in self._running:
            task, work = self._running[envelope]
            task.cancel()
            task.add_done_callback(lambda _: self._sweep(envelope, work))

    def _sweep(self, envelope: Envelope, work: Any) -> None:
        """See to a message whose task was cancelled before its first step, and so has seen to nothing."""
        if self._running is None or envelope not in self._running:
            return
        if type(work) is CoroutineType:
            work.close()
        counters = self.turn_for(envelope).counters
        answers.fail(self, envelope, asyncio.CancelledError(), counters, self.now())
        self._done(envelope)

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

    def running_tasks(self) -> list[asyncio.Task[None]]:
        return [task for task, _ in self._running.values()] if self._running else []

    def cancel_running(self) -> None:
        current = current_task()
        for envelope, (task, _) in list((self._running or {}).items()):
            if task is not current:
                self._cancel(envelope)

    def add_stream(self, channel: Channel) -> None:
        """Let the stream end with this instance of the actor."""
        if self._streams is None:
            self._streams = set()
        self._streams.add(channel)
        self.counters.streams += 1
        self.counters.streams_open += 1

    def drop_stream(self, channel: Channel) -> None:
        """The stream has ended."""
        if self._streams is not None and channel in self._streams:
            self._streams.discard(channel)
            self.counters.streams_open -= 1

    def end_streams(self) -> None:
        for channel in list(self._streams or ()):
            channel.finish(self.stopped_error(maybe_executed=True))

    @property
    def worker(self) -> Worker:
        """The thread of a threaded actor."""
        if self._worker is None:
            self._worker = Worker(self.label, self.loop, self.wake)
        return self._worker

    def close_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()

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

    @property
    def in_progress(self) -> list[Envelope]:
        """The messages that run now."""
        return list(self._running or ())
