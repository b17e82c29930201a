"""What becomes of a message: its answer or error reaches the caller, and is counted."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from pulsing.core.late import waited_too_long
from pulsing.core.statistics import LatencyCounters, MethodCounters
from pulsing.core.timers import expire
from pulsing.core.turns import UNKNOWN
from pulsing.exceptions import (
    PulsingBusinessError,
    PulsingError,
    PulsingSystemError,
    PulsingTimeoutError,
    PulsingUnsupportedError,
    error_for_caller,
    rebuild,
)
from pulsing.logs import logger_of
from pulsing.tasks import is_told_to_end

if TYPE_CHECKING:
    from pulsing.core.envelope import Envelope
    from pulsing.core.progress import Progress

logger = logger_of("pulsing.actor")

LAST_ERRORS_KEPT = 10


def succeed(cell: Progress, envelope: Envelope, result: Any, counters: MethodCounters, start: float) -> None:
    """Give the result to the caller and count the call."""
    count_ok(cell, counters, start)
    answer(cell, envelope, result)


def count_ok(cell: Progress, counters: MethodCounters, start: float) -> None:
    """Count a call that is done, or whose answer is a stream that is open from now on."""
    took = cell.now() - start
    counters.count_ok(took)
    _note_time(cell, took)


def answer(cell: Progress, envelope: Envelope, result: Any) -> None:
    """Give the result to the caller, if one still waits."""
    reply = envelope.reply
    if reply is not None:
        cell.system.deadlines.done(envelope)
        if not reply.done():
            reply.set_result(result)
            _time_caller(cell, envelope, cell.counters.asks.ok_here)
        elif reply.cancelled():
            _time_caller(cell, envelope, cell.counters.asks.cancelled_here)


def refuse(cell: Progress, envelope: Envelope, error: BaseException) -> None:
    """Give the caller an error for a message that was not run."""
    cell.system.deadlines.done(envelope)
    reply = envelope.reply
    if reply is not None:
        if not reply.done():
            _time_caller(cell, envelope, cell.counters.asks.error_here)
        elif reply.cancelled():
            _time_caller(cell, envelope, cell.counters.asks.cancelled_here)
    envelope.fail(error)


def _time_caller(cell: Progress, envelope: Envelope, counters: LatencyCounters) -> None:
    """Count how long a caller of this node has waited; one of another node is counted there."""
    if not envelope.size:
        counters.observe(cell.now() - envelope.accepted_at)


def fail(cell: Progress, envelope: Envelope, raised: BaseException, counters: MethodCounters, start: float) -> float:
    """A message failed: tell its caller, count it, and see whether the actor itself has failed. Returns the time."""
    end = cell.now()
    if isinstance(raised, asyncio.CancelledError) and (envelope.abandoned or not cell.running or is_told_to_end()):
        counters.cancelled += 1
        refuse(cell, envelope, cell.stopped_error(maybe_executed=True))
        return end
    if isinstance(raised, (KeyboardInterrupt, SystemExit)):
        refuse(cell, envelope, cell.stopped_error(maybe_executed=True))
        raise raised
    counters.handle.observe(end - start)
    _note_time(cell, end - start)
    error = record_error(cell, envelope.method, raised, counters)
    if envelope.is_ask:
        refuse(cell, envelope, error)
    else:
        _log_failed_tell(cell, envelope.method, raised)
    fail_actor_by(cell, raised, error)
    return end


def _log_failed_tell(cell: Progress, method: str | None, raised: BaseException) -> None:
    """The only trace of what nobody waits for; senders could fill the log with them."""
    name = method or "receive"
    operation = operation_of(cell, name if name in cell.counters.methods else UNKNOWN)
    count = cell.system.log_seldom.due(f"failed tell {operation}")
    if count:
        logger.warning(
            "actor %s: %s failed on a message that wants no answer%s",
            cell.label,
            operation,
            "" if count == 1 else f", as on {count - 1} others since this was last said",
            exc_info=raised,
        )


def record_error(cell: Progress, method: str | None, raised: BaseException, counters: MethodCounters) -> PulsingError:
    """Count what a method raised; returns what its caller sees of it."""
    error = error_for_caller(raised, operation=operation_of(cell, method), actor_name=cell.label)
    note_error(cell, method, error, counters)
    return error


def note_error(cell: Progress, method: str | None, error: BaseException, counters: MethodCounters) -> None:
    """Count an error as its caller sees it."""
    counters.count_error(category_of(error))
    cell.errors += 1
    if cell.last_errors is None:
        cell.last_errors = []
    words = error.message if isinstance(error, PulsingBusinessError) else str(error)
    cell.last_errors.append((cell.system.clock.wall(), method or "receive", error_type_name(error), words))
    del cell.last_errors[:-LAST_ERRORS_KEPT]


def fail_actor_by(cell: Progress, raised: BaseException, error: PulsingError) -> None:
    """See whether an exception says that the actor's state can no longer be trusted."""
    if isinstance(raised, PulsingSystemError) and not raised.recoverable:
        cell.fail(error)


def skip(cell: Progress, envelope: Envelope, now: float) -> None:
    """A message whose caller has left or whose time is over is not run."""
    counters = cell.turn_for(envelope).counters
    asks, reply = cell.counters.asks, envelope.reply
    if envelope.expired(now):
        counters.expired += 1
        cell.system.dead_letters.record(envelope, "expired", cell)
        cell.system.deadlines.done(envelope)
        if reply is not None and not reply.done():
            _time_caller(cell, envelope, asks.timeout_here)
        expire(envelope, maybe_executed=False)
    else:
        counters.cancelled += 1
        cell.system.deadlines.done(envelope)
        if reply is not None and reply.cancelled():
            _time_caller(cell, envelope, asks.cancelled_here)


def refuse_late(cell: Progress, envelope: Envelope, counters: MethodCounters) -> None:
    """A message whose time is nearly over is not run either."""
    counters.expired += 1
    cell.system.dead_letters.record(envelope, "expired", cell)
    refuse(cell, envelope, waited_too_long(envelope))


def not_callable(cell: Progress, method: str | None) -> PulsingError:
    """The error for a name that cannot be called or read; like a missing attribute in one process."""
    error = PulsingUnsupportedError(operation_of(cell, method))
    return rebuild((PulsingUnsupportedError, AttributeError), error.args, error.__dict__)


def has_attribute(actor: object, name: str) -> bool:
    """Whether an object or its class has the name, without running what stands behind it."""
    try:
        inspect.getattr_static(actor, name)
    except AttributeError:
        return False
    return True


def operation_of(cell: Progress, method: str | None) -> str:
    """`Class.method`, as errors name it."""
    return f"{cell.spec.bare_name}.{method or 'receive'}"


def _note_time(cell: Progress, took: float) -> None:
    cell.handle_s += took
    if took > cell.handle_max_s:
        cell.handle_max_s = took


def count_long_turn(cell: Progress, method: str | None, counters: MethodCounters, took: float) -> None:
    """Note that a turn held the loop."""
    counters.long_turns += 1
    cell.system.report_long_turn(cell, method or "receive", took)


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
