"""One actor at work: takes messages from its mailbox, runs them in turn, and lives through its states.

A cell owns no task while it is idle. When its mailbox turns non-empty it schedules one drain on the loop; the drain
runs sync methods in place and starts async ones as tasks, in mailbox order.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any

from pulsing.core.actor import CURRENT, TRACE, ActorContext
from pulsing.core.envelope import ATTRIBUTE, Envelope
from pulsing.core.lifecycle import (
    CLOSED,
    ENDED,
    FAILED,
    RESTARTING,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    Ended,
    Terminated,
    advance,
    has_hook,
    run_hook,
)
from pulsing.core.mailbox import BLOCK, REJECT, Mailbox, MailboxOptions
from pulsing.core.messages import Message
from pulsing.core.methods import ASYNC, MethodTable
from pulsing.core.ref import ActorRef
from pulsing.core.statistics import LONG_TURN_S, ClassCounters, MethodCounters
from pulsing.core.streams import Channel, StreamReader
from pulsing.core.supervision import RestartPolicy, Supervisor
from pulsing.exceptions import (
    ActorStopped,
    MailboxFull,
    PulsingActorError,
    PulsingBusinessError,
    PulsingSystemError,
    PulsingTimeoutError,
    PulsingUnsupportedError,
    describe,
    error_for_caller,
    traceback_text,
)
from pulsing.ids import ActorId
from pulsing.tasks import TaskScope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from pulsing.core.system import System

logger = logging.getLogger("pulsing.actor")

# After so many turns in a row the drain lets the loop do other things; a turn of an idle method costs about 2 µs.
TURNS_PER_DRAIN = 64

_PENDING_RESULTS = frozenset({CoroutineType, GeneratorType, AsyncGeneratorType})


@dataclass(frozen=True, slots=True)
class CellSpec:
    """What all actors made in one way have in common."""

    class_name: str
    """`module.Class`"""
    kind: str
    """remote, receive, mounted, agent or system"""
    table: MethodTable | None
    """callable methods; None for a `receive` actor"""
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    mailbox: MailboxOptions = field(default_factory=MailboxOptions)
    max_concurrency: int = 1000
    threaded: bool = False
    cancellable: bool = False
    internal: bool = False
    """one of Pulsing's own actors, hidden from listings unless asked for"""
    file: str = ""
    """source file of the class, where it is known"""
    card: Mapping[str, Any] | None = None
    """what an agent says of itself: role, goal, backstory, tags"""
    injected: tuple[str, ...] = ()
    """which of `ref`, `system`, `delayed` are set on the instance"""

    @property
    def bare_name(self) -> str:
        return self.class_name.rpartition(".")[2]


class Cell:
    """Everything that the runtime keeps for one actor."""

    __slots__ = (
        "_context",
        "_ended",
        "_executor",
        "_exit_error",
        "_exit_reason",
        "_in_progress",
        "_lifecycle",
        "_mailbox",
        "_own_end",
        "_running",
        "_scheduled",
        "_scope",
        "_streams",
        "_supervisor",
        "_watchers",
        "actor",
        "actor_id",
        "counters",
        "created_at",
        "errors",
        "factory",
        "handle_max_s",
        "handle_s",
        "last_errors",
        "last_message_at",
        "loop",
        "messages",
        "now",
        "path",
        "public",
        "ref",
        "restarts",
        "spec",
        "state",
        "system",
        "tags",
    )

    def __init__(
        self,
        system: System,
        actor_id: ActorId,
        actor: Any,
        spec: CellSpec,
        *,
        path: str | None,
        public: bool,
        factory: Callable[[], Any] | None,
        counters: ClassCounters,
        created_at: float,
    ) -> None:
        self.system = system
        self.loop = system.loop
        self.now = system.now
        self.actor_id = actor_id
        self.actor = actor
        self.spec = spec
        self.path = path
        self.public = public
        self.factory = factory
        self.counters = counters
        self.created_at = created_at
        self.state = STARTING
        self.ref = ActorRef(actor_id, path, system, self)
        self.messages = 0
        self.errors = 0
        self.handle_s = 0.0
        self.handle_max_s = 0.0
        self.last_message_at: float | None = None
        self.last_errors: list[tuple[float, str, str, str]] | None = None
        self.restarts = 0
        self.tags: dict[str, str] | None = None
        self._mailbox: Mailbox | None = None
        self._scheduled = False
        self._in_progress = 0
        self._running: dict[asyncio.Task[Any], Envelope] | None = None
        self._streams: set[Channel] | None = None
        self._context: contextvars.Context | None = None
        self._executor: ThreadPoolExecutor | None = None
        self._supervisor: Supervisor | None = None
        self._scope: TaskScope | None = None
        self._lifecycle: asyncio.Task[None] | None = None
        self._watchers: list[Callable[[Terminated], None]] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._own_end = False
        self._exit_reason: str | None = None
        self._exit_error: Exception | None = None

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
        system = self.system
        reply = self.loop.create_future()
        now = self.now()
        sender = CURRENT.get()
        envelope = Envelope(
            self.actor_id,
            method,
            args,
            kwargs,
            reply,
            timeout,
            None if timeout is None else now + timeout,
            now,
            None if sender is None else sender._cell.actor_id,
            TRACE.get(),
            stream,
        )
        if timeout is not None:
            system.deadlines.add(envelope)
        self.deliver(envelope)
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
        envelope = Envelope(
            self.actor_id,
            method,
            args,
            kwargs,
            accepted_at=self.now(),
            sender=None if sender is None else sender._cell.actor_id,
            trace=TRACE.get(),
        )
        return self.deliver(envelope, wait=True)

    def deliver(self, envelope: Envelope, wait: bool = False) -> asyncio.Future[None] | None:
        """Take a message, or refuse it by the mailbox's policy or because the actor has ended.

        Args:
            envelope: the message; its `accepted_at` is set by the caller.
            wait: return a future when the message has to stand in line.

        Raises:
            ActorStopped, MailboxFull: only for a tell; an ask gets the error as its answer.
        """
        if self.state in CLOSED:
            self.system.dead_letters.record(envelope, "stopped", self)
            self._refuse(envelope, self._stopped_error(maybe_executed=False))
            return None
        mailbox = self._mailbox
        if mailbox is None:
            mailbox = self._mailbox = Mailbox(self.spec.mailbox.capacity)
        accepted = None
        if not mailbox.accept(envelope):
            if self.spec.mailbox.policy == BLOCK:
                accepted = self.loop.create_future() if wait else None
                mailbox.line_up(envelope, accepted)
            elif not self._make_room(mailbox, envelope):
                return None
        if not self._scheduled:
            self._schedule()
        return accepted

    def _make_room(self, mailbox: Mailbox, envelope: Envelope) -> bool:
        policy = self.spec.mailbox.policy
        self.counters.dropped[policy] = self.counters.dropped.get(policy, 0) + 1
        error = MailboxFull(self.label, mailbox.capacity)
        if policy == REJECT:
            self.system.dead_letters.record(envelope, "mailbox_full", self)
            self._refuse(envelope, error)
            return False
        oldest = mailbox.drop_oldest()
        self.system.dead_letters.record(oldest, "mailbox_full", self)
        self._answer_error(oldest, error)
        mailbox.accept(envelope)
        return True

    def _refuse(self, envelope: Envelope, error: Exception) -> None:
        if not envelope.is_ask:
            raise error
        self._answer_error(envelope, error)

    # --- running messages ------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        self._scheduled = True
        context = self._context
        if context is None:
            context = self._context = contextvars.Context()
            context.run(CURRENT.set, ActorContext(self))
        self.loop.call_soon(self._drain, context=context)

    def _drain(self) -> None:
        """Run what waits, in order, until the mailbox is empty or it is somebody else's turn."""
        self._scheduled = False
        mailbox = self._mailbox
        limit = self.spec.max_concurrency
        now = self.now()
        for _ in range(TURNS_PER_DRAIN):
            if self.state is not RUNNING or mailbox is None or self._in_progress >= limit or self._own_end:
                return
            envelope = mailbox.take()
            if envelope is None:
                return
            reply = envelope.reply
            if (reply is not None and reply.done()) or envelope.expired(now):
                self._skip(envelope, now)
                continue
            now, must_yield = self._turn(envelope, now)
            if must_yield:
                break
        if mailbox is not None and len(mailbox) and not self._scheduled:
            self._schedule()

    def _turn(self, envelope: Envelope, now: float) -> tuple[float, bool]:
        """Run one message; returns the time after it, and whether the next message must let the loop run first."""
        self.messages += 1
        self.last_message_at = now
        self.counters.wait.observe(now - envelope.accepted_at)
        name = envelope.method
        spec = self.spec
        TRACE.set(envelope.trace)
        counters = self.counters.methods.get(name or "receive") or self.counters.method(name or "receive")
        if spec.table is None:
            if name is None:
                self._start_task(self._receive(envelope, counters, now), envelope, counters)
            else:
                self._finish_error(envelope, PulsingUnsupportedError(f"{spec.bare_name}.{name}"), counters, now, now)
            return now, True
        method = spec.table.methods.get(name or "receive")
        if method is None:
            return self._other_name(envelope, counters, now), False
        if method.kind == ASYNC or spec.threaded:
            self._start_task(self._call(envelope, method.function, counters, now), envelope, counters)
            return now, True
        try:
            kwargs = envelope.kwargs
            if kwargs:
                result = method.function(self.actor, *envelope.args, **kwargs)
            else:
                result = method.function(self.actor, *envelope.args)
        except BaseException as error:
            end = self.now()
            self._finish_error(envelope, error, counters, now, end)
            return end, False
        if type(result) in _PENDING_RESULTS or isinstance(result, Message):
            return self._finish_pending(envelope, result, counters, now), True
        end = self.now()
        took = end - now
        counters.ok += 1
        counters.handle.observe(took)
        self.handle_s += took
        if took > self.handle_max_s:
            self.handle_max_s = took
            if took > LONG_TURN_S:
                self._long_turn(envelope, counters, took)
        elif took > LONG_TURN_S:
            self._long_turn(envelope, counters, took)
        reply = envelope.reply
        if reply is not None:
            self.system.deadlines.done(envelope)
            if not reply.done():
                reply.set_result(result)
        return end, False

    def _start_task(self, work: Any, envelope: Envelope, counters: MethodCounters) -> None:
        self._in_progress += 1
        task = self.loop.create_task(work)
        running = self._running
        if running is None:
            running = self._running = {}
        running[task] = envelope
        if self.spec.cancellable and envelope.reply is not None:
            envelope.reply.add_done_callback(lambda reply: task.cancel() if reply.cancelled() else None)  # type: ignore[attr-defined]

    async def _call(
        self, envelope: Envelope, function: Callable[..., Any], counters: MethodCounters, start: float
    ) -> None:
        """Run an async method, or a sync one of a threaded actor, as a task."""
        try:
            if self.spec.threaded and not asyncio.iscoroutinefunction(function):
                result = await self._in_thread(function, envelope)
            else:
                result = await function(self.actor, *envelope.args, **(envelope.kwargs or {}))
            if type(result) in _PENDING_RESULTS:
                self._open_stream(envelope, result, counters)
            else:
                self._answer(envelope, result)
            self._count_ok(counters, start)
        except BaseException as error:
            self._finish_error(envelope, error, counters, start, self.now())
        finally:
            self._task_done()

    async def _receive(self, envelope: Envelope, counters: MethodCounters, start: float) -> None:
        """Run `receive`, sync or async, as a task, so that the next message waits for its end."""
        try:
            result = self.actor.receive(*envelope.args)
            if asyncio.iscoroutine(result) or asyncio.isfuture(result):
                result = await result
            if type(result) in _PENDING_RESULTS:
                self._open_stream(envelope, result, counters)
            else:
                self._answer(envelope, result)
            self._count_ok(counters, start)
        except BaseException as error:
            self._finish_error(envelope, error, counters, start, self.now())
        finally:
            self._task_done()

    async def _in_thread(self, function: Callable[..., Any], envelope: Envelope) -> Any:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"pulsing-{self.label}")
        context = contextvars.copy_context()
        call = lambda: context.run(function, self.actor, *envelope.args, **(envelope.kwargs or {}))  # noqa: E731
        return await self.loop.run_in_executor(self._executor, call)

    def _task_done(self) -> None:
        task = asyncio.current_task()
        if self._running is not None and task is not None:
            self._running.pop(task, None)
        self._in_progress -= 1
        if self._own_end and not self._in_progress:
            self._end_now()
        elif self._mailbox is not None and len(self._mailbox) and not self._scheduled and self.state is RUNNING:
            self._schedule()

    def _finish_pending(self, envelope: Envelope, result: Any, counters: MethodCounters, start: float) -> float:
        """A sync method gave a coroutine, a generator or an explicit stream."""
        if type(result) is CoroutineType:

            async def awaited(_actor: Any, *_args: Any, **_kwargs: Any) -> Any:
                return await result

            self._start_task(self._call(envelope, awaited, counters, start), envelope, counters)
            return start
        if isinstance(result, Message):
            self._answer(envelope, result)
        else:
            self._open_stream(envelope, result, counters)
        self._count_ok(counters, start)
        return self.now()

    def _other_name(self, envelope: Envelope, counters: MethodCounters, now: float) -> float:
        """A name that is not in the table: an attribute to read, or nothing that may be called."""
        name = envelope.method or "receive"
        if name.startswith(ATTRIBUTE):
            try:
                self._answer(envelope, self._attribute(name[1:]))
                counters.ok += 1
                return now
            except Exception as raised:
                self._finish_error(envelope, raised, counters, now, now)
                return now
        error = PulsingUnsupportedError(f"{self.spec.bare_name}.{name}")
        self._finish_error(envelope, _also_attribute_error(error), counters, now, now)
        return now

    def _attribute(self, name: str) -> Any:
        if not name.startswith("_") and name not in self.spec.injected:
            value = getattr(self.actor, name)
            if not callable(value):
                return value
        raise _also_attribute_error(PulsingUnsupportedError(f"{self.spec.bare_name}.{name}"))

    # --- answers ---------------------------------------------------------------------------------------------------

    def _answer(self, envelope: Envelope, result: Any) -> None:
        reply = envelope.reply
        if reply is not None:
            self.system.deadlines.done(envelope)
            if not reply.done():
                reply.set_result(result)

    def _answer_error(self, envelope: Envelope, error: BaseException) -> None:
        self.system.deadlines.done(envelope)
        envelope.fail(error)

    def _count_ok(self, counters: MethodCounters, start: float) -> None:
        took = self.now() - start
        counters.ok += 1
        counters.handle.observe(took)
        self.handle_s += took
        self.handle_max_s = max(self.handle_max_s, took)

    def _finish_error(
        self, envelope: Envelope, raised: BaseException, counters: MethodCounters, start: float, end: float
    ) -> None:
        """A message failed: tell its caller, count it, and see whether the actor itself has failed."""
        if isinstance(raised, asyncio.CancelledError) and self._cancelled_on_purpose(envelope):
            counters.cancelled += 1
            self._answer_error(envelope, self._stopped_error(maybe_executed=True))
            return
        took = end - start
        counters.handle.observe(took)
        self.handle_s += took
        self.handle_max_s = max(self.handle_max_s, took)
        operation = f"{self.spec.bare_name}.{envelope.method or 'receive'}"
        if isinstance(raised, (KeyboardInterrupt, SystemExit)):
            self._answer_error(envelope, self._stopped_error(maybe_executed=True))
            raise raised
        error = error_for_caller(raised, operation=operation, actor_name=self.label)
        self._record_error(error, counters, envelope.method or "receive")
        if envelope.is_ask:
            self._answer_error(envelope, error)
        else:
            logger.warning(
                "actor %s: %s failed on a message that wants no answer", self.label, operation, exc_info=raised
            )
        if isinstance(raised, PulsingSystemError) and not raised.recoverable:
            self.fail(error)

    def _cancelled_on_purpose(self, envelope: Envelope) -> bool:
        return envelope.abandoned or self.state is not RUNNING

    def _record_error(self, error: Exception, counters: MethodCounters, method: str) -> None:
        counters.count_error(category_of(error))
        self.errors += 1
        if self.last_errors is None:
            self.last_errors = []
        self.last_errors.append((self.system.clock.wall(), method, error_type_name(error), str(error)))
        del self.last_errors[:-10]

    def _skip(self, envelope: Envelope, now: float) -> None:
        """A message whose caller has left or whose time is over is not run."""
        counters = self.counters.method(envelope.method or "receive")
        if envelope.expired(now):
            counters.expired += 1
            self.system.dead_letters.record(envelope, "expired", self)
            self.system.expire_unrun(envelope)
        else:
            counters.cancelled += 1
            self.system.deadlines.done(envelope)

    def _long_turn(self, envelope: Envelope, counters: MethodCounters, took: float) -> None:
        counters.long_turns += 1
        self.system.report_long_turn(self, envelope.method or "receive", took)

    # --- streams ---------------------------------------------------------------------------------------------------

    def _open_stream(self, envelope: Envelope, producer: Any, counters: MethodCounters) -> None:
        """Let a generator run and answer with the reader of its items.

        An async generator that was awaited instead of iterated runs to its end first and answers with None.
        """
        iterator = producer if isinstance(producer, AsyncGeneratorType) else _as_async(producer)
        wanted = envelope.is_ask and (
            self.spec.table is None or envelope.stream or not isinstance(producer, AsyncGeneratorType)
        )
        if not wanted:
            self.tasks.start(self._run_out(iterator, envelope, counters), "stream run out")
            return
        channel = Channel()
        if self._streams is None:
            self._streams = set()
        self._streams.add(channel)
        self.counters.streams_open += 1
        self.system.tasks.start(self._pump(iterator, channel, envelope, counters), "stream")
        self._answer(envelope, Message.streaming("", channel) if self.spec.table is None else StreamReader(channel))

    async def _pump(
        self, iterator: AsyncIterator[Any], channel: Channel, envelope: Envelope, counters: MethodCounters
    ) -> None:
        """Carry items from the generator to the channel until one of the two sides ends."""
        try:
            async for item in iterator:
                counters.items += 1
                if not channel.put_nowait(item) and not await channel.wait_writable():
                    break
            channel.finish()
        except asyncio.CancelledError:
            channel.finish(self._stopped_error(maybe_executed=True))
            raise
        except BaseException as raised:
            error = error_for_caller(
                raised, operation=f"{self.spec.bare_name}.{envelope.method or 'receive'}", actor_name=self.label
            )
            self._record_error(error, counters, envelope.method or "receive")
            channel.finish(error)
        finally:
            self.counters.streams_open -= 1
            if self._streams is not None:
                self._streams.discard(channel)
            await iterator.aclose()  # type: ignore[attr-defined]

    async def _run_out(self, iterator: AsyncIterator[Any], envelope: Envelope, counters: MethodCounters) -> None:
        try:
            async for _ in iterator:
                counters.items += 1
            self._answer(envelope, None)
        except BaseException as raised:
            start = self.now()
            self._finish_error(envelope, raised, counters, start, start)

    # --- lifecycle -------------------------------------------------------------------------------------------------

    @property
    def label(self) -> str:
        """The name, else the id: how people are told of this actor."""
        return self.path or str(self.actor_id)

    @property
    def closed(self) -> bool:
        """Whether no message is taken any more."""
        return self.state in CLOSED

    @property
    def busy(self) -> bool:
        """Whether messages wait or run."""
        return bool(self._in_progress or (self._mailbox is not None and len(self._mailbox)))

    @property
    def mailbox(self) -> Mailbox | None:
        """The waiting messages; None before the first one."""
        return self._mailbox

    @property
    def in_progress(self) -> list[Envelope]:
        """The messages that run now."""
        return list(self._running.values()) if self._running else []

    @property
    def tasks(self) -> TaskScope:
        """Tasks that end with this actor."""
        if self._scope is None:
            self._scope = TaskScope(f"actor {self.label}")
        return self._scope

    @property
    def restarts_left(self) -> int:
        supervisor = self._supervisor or Supervisor(self.spec.policy, self.system.random)
        return supervisor.restarts_left(self.now())

    def start(self) -> None:
        """Make the actor ready for its first message; `on_start` runs as a task where the class has one."""
        self._inject()
        if has_hook(self.actor, "on_start"):
            self._lifecycle = self.system.tasks.start(self._run_on_start(), f"start {self.label}")
        else:
            self._become(RUNNING)

    async def _run_on_start(self) -> None:
        try:
            self._enter_context()
            await run_hook(self.actor, "on_start", self.actor_id)
        except Exception as error:
            logger.warning("actor %s: on_start failed", self.label, exc_info=error)
            self.fail(error_for_caller(error, operation=f"{self.spec.bare_name}.on_start", actor_name=self.label))
            return
        if self.state is STARTING:
            self._become(RUNNING)

    def _become(self, state: str) -> None:
        self.state = advance(self.state, state)
        if state is RUNNING and self._mailbox is not None and len(self._mailbox) and not self._scheduled:
            self._schedule()

    def _inject(self) -> None:
        for name in self.spec.injected:
            value = {"ref": self.ref, "system": self.system.facade, "delayed": ActorContext(self).delayed}[name]
            try:
                setattr(self.actor, name, value)
            except AttributeError:
                pass  # a class with __slots__ reaches them through current_actor()

    def _enter_context(self) -> None:
        CURRENT.set(ActorContext(self))

    def fail(self, error: Exception) -> None:
        """The actor can no longer be trusted: restart it where its policy grants that, else end it."""
        if self.state in CLOSED or self.state is RESTARTING:
            return
        supervisor = self._supervise()
        delay = supervisor.after_failure(self.now()) if self.factory is not None else None
        if delay is None:
            reason = "restart_limit" if self.spec.policy.restarts and self.factory is not None else "failed"
            self._lifecycle = self.system.tasks.start(self._end(reason, error, timeout=0.0), f"end {self.label}")
            return
        self._begin_restart(delay, "failure", error)

    def _supervise(self) -> Supervisor:
        if self._supervisor is None:
            self._supervisor = Supervisor(self.spec.policy, self.system.random)
        return self._supervisor

    def _begin_restart(self, delay: float, cause: str, error: Exception | None) -> None:
        self._become(RESTARTING)
        self.restarts += 1
        self.counters.restarts[cause] = self.counters.restarts.get(cause, 0) + 1
        self.system.report(
            self, "actor.restarting", attempt=self.restarts, backoff_s=delay, error=str(error) if error else None
        )
        self._cancel_running()
        self._lifecycle = self.system.tasks.start(self._restart(delay), f"restart {self.label}")

    async def _restart(self, delay: float) -> None:
        await self._run_on_stop()
        if delay > 0:
            await asyncio.sleep(delay)
        if self.state is not RESTARTING:
            return
        assert self.factory is not None
        try:
            self._enter_context()
            self.actor = self.factory()
        except Exception as raised:
            error = error_for_caller(raised, operation=f"{self.spec.bare_name}.__init__", actor_name=self.label)
            logger.warning("actor %s: its constructor failed at a restart", self.label, exc_info=raised)
            self._become(STARTING)
            self.fail(error)
            return
        self._become(STARTING)
        self._own_end = False
        self._inject()
        self.system.report(self, "actor.restarted", attempt=self.restarts)
        await self._run_on_start()

    def restart_by_operator(self) -> None:
        """Start the actor afresh because somebody asked for it; not counted against its budget.

        Raises:
            PulsingUnsupportedError: its constructor arguments are not known (mounted, or a plain instance).
        """
        if self.factory is None:
            raise PulsingUnsupportedError(f"restart of {self.label}")
        if self.state is RUNNING:
            self._begin_restart(0.0, "operator", None)

    def end_by_itself(self) -> None:
        """The actor's own wish to end after the message in progress."""
        self._own_end = True
        if not self._in_progress:
            self.loop.call_soon(self._end_now)

    def _end_now(self) -> None:
        if self.state is not RUNNING or not self._own_end:
            return
        delay = self._supervise().after_own_end(self.now()) if self.factory is not None else None
        if delay is None:
            self._lifecycle = self.system.tasks.start(self._end("stopped", None, timeout=30.0), f"end {self.label}")
        else:
            self._begin_restart(delay, "always", None)

    async def stop(self, reason: str = "stopped", timeout: float | None = 30.0) -> None:
        """End the actor: the running message may finish for `timeout` seconds, queued asks fail, `on_stop` runs."""
        if self.state not in CLOSED:
            if self._nothing_to_wait_for():
                self._close_door(reason, None)
                self._leave(reason, None)
                return
            await self._end(reason, None, timeout)
        elif self.state not in ENDED:
            if self._ended is None:
                self._ended = self.loop.create_future()
            await asyncio.shield(self._ended)

    @property
    def runs_current_task(self) -> bool:
        """Whether the calling task is one that runs a message of this actor."""
        return bool(self._running) and asyncio.current_task() in (self._running or ())

    def stop_soon(self, reason: str, timeout: float | None) -> None:
        """Begin to stop without waiting for it, as the actor itself must."""
        if self.state not in CLOSED:
            self._close_door(reason, None)
            self.system.tasks.start(self._after_door(reason, None, timeout), f"stop {self.label}")

    def _nothing_to_wait_for(self) -> bool:
        return not (
            self._in_progress
            or self._scope
            or self._executor
            or self._lifecycle_pending()
            or has_hook(self.actor, "on_stop")
        )

    def _lifecycle_pending(self) -> bool:
        return self._lifecycle is not None and not self._lifecycle.done()

    async def _end(self, reason: str, error: Exception | None, timeout: float | None) -> None:
        self._close_door(reason, error)
        await self._after_door(reason, error, timeout)

    def _close_door(self, reason: str, error: Exception | None) -> None:
        """From here on no message is taken; what waits is refused."""
        self.state = advance(self.state, STOPPING)
        self._exit_reason, self._exit_error = reason, error
        refusal = self._stopped_error(maybe_executed=False)
        for envelope in self._mailbox.drain() if self._mailbox is not None else ():
            if not envelope.abandoned:
                self.system.dead_letters.record(envelope, "stopped", self)
            self._answer_error(envelope, refusal)
        for channel in list(self._streams or ()):
            channel.finish(self._stopped_error(maybe_executed=True))

    async def _after_door(self, reason: str, error: Exception | None, timeout: float | None) -> None:
        lifecycle = self._lifecycle
        if self._lifecycle_pending() and lifecycle is not asyncio.current_task():
            assert lifecycle is not None
            lifecycle.cancel()
            await asyncio.wait([lifecycle])
        await self._wait_for_running(timeout)
        await self._run_on_stop()
        if self._scope is not None:
            await self._scope.close()
        if self._executor is not None:
            self._executor.shutdown(wait=False)
        self._leave(reason, error)

    async def _wait_for_running(self, timeout: float | None) -> None:
        current = asyncio.current_task()
        running = [task for task in self._running or () if task is not current]
        if running and timeout != 0:
            await asyncio.wait(running, timeout=timeout)
        self._cancel_running()
        left = [task for task in self._running or () if task is not current]
        if left:
            await asyncio.wait(left, timeout=1.0)

    def _cancel_running(self) -> None:
        current = asyncio.current_task()
        for task in list(self._running or ()):
            if task is not current:
                task.cancel()

    async def _run_on_stop(self) -> None:
        actor, self.actor = self.actor, None
        try:
            self._enter_context()
            await run_hook(actor, "on_stop")
        except Exception:
            logger.warning("actor %s: on_stop failed", self.label, exc_info=True)

    def _leave(self, reason: str, error: Exception | None) -> None:
        """The end: the name is free, watchers are told."""
        self.state = advance(self.state, FAILED if error is not None else STOPPED)
        self.counters.stopped[reason] = self.counters.stopped.get(reason, 0) + 1
        self.system.forget(self, self._ended_record(reason, error))
        told = Terminated(self.actor_id, self.path, self.system.node_id, reason, error)
        for watcher in self._watchers or ():
            watcher(told)
        self._watchers = None
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)

    def watch(self, told: Callable[[Terminated], None]) -> None:
        """Call `told` once when the actor has ended; at once if it has."""
        if self.state in ENDED:
            told(Terminated(self.actor_id, self.path, self.system.node_id, "stopped"))
            return
        if self._watchers is None:
            self._watchers = []
        self._watchers.append(told)

    def _ended_record(self, reason: str, error: Exception | None) -> Ended:
        return Ended(
            actor_id=self.actor_id,
            name=self.path,
            class_name=self.spec.class_name,
            kind=self.spec.kind,
            reason=reason,
            at=self.system.clock.wall(),
            created_at=self.created_at,
            messages=self.messages,
            errors=self.errors,
            restarts=self.restarts,
            error=None if error is None else describe(error),
            traceback=None if error is None else getattr(error, "remote_traceback", None) or traceback_text(error),
        )

    def _stopped_error(self, *, maybe_executed: bool) -> ActorStopped:
        return ActorStopped(self.actor_id, self.path, self._exit_reason or "stopped", maybe_executed, self._exit_error)


def category_of(error: BaseException) -> str:
    """business, system, timeout or unsupported."""
    if isinstance(error, PulsingBusinessError):
        return "business"
    if isinstance(error, PulsingTimeoutError):
        return "timeout"
    if isinstance(error, PulsingUnsupportedError):
        return "unsupported"
    return "system"


def error_type_name(error: BaseException) -> str:
    """What the actor raised, or the class of the error itself."""
    return getattr(error, "remote_type", None) or type(error).__name__


def _also_attribute_error(error: PulsingActorError) -> PulsingActorError:
    from pulsing.exceptions import rebuild

    return rebuild((type(error), AttributeError), error.args, error.__dict__)  # type: ignore[return-value]


async def _as_async(generator: Any) -> AsyncIterator[Any]:
    """The items of a sync generator, which is closed when the reader leaves."""
    try:
        for item in generator:
            yield item
    finally:
        generator.close()
