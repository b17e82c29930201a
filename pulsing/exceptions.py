"""Every error that Pulsing raises, sorted by whose fault it is.

    PulsingError
    ├── PulsingRuntimeError            the framework: names, links, nodes, limits, configuration
    │   ├── NotInitialized, SystemStopped, WrongLoop
    │   ├── ActorNotFound, ActorStopped, NameTaken, MailboxFull, Overloaded, DeadlineExceeded
    │   ├── NodeNotFound, NodeDead, NodeLeaving, LinkLost, AuthFailed, Forbidden, JoinTimeout, AddressInUse
    │   └── NotSendable, NotOwner, BucketUnavailable, DataLost
    └── PulsingActorError              the actor's own code, while it ran
        ├── PulsingBusinessError       what the caller asked for was wrong
        ├── PulsingSystemError         an internal fault; `recoverable=False` makes it a failure of the actor
        ├── PulsingTimeoutError        an operation of the actor took too long
        └── PulsingUnsupportedError    the actor does not offer this

An exception that leaves an actor reaches its caller through `error_for_caller`, the one mapping for calls within
a process and between nodes. What arrives is also an instance of the nearest builtin ancestor of what was raised,
so that `except KeyError` works whatever lies between caller and actor.
"""

from __future__ import annotations

import asyncio
import builtins
import functools
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from pulsing.ids import ActorId, NodeId

__all__ = [
    "ActorNotFound",
    "ActorStopped",
    "AddressInUse",
    "AuthFailed",
    "BucketUnavailable",
    "DataLost",
    "DeadlineExceeded",
    "Forbidden",
    "JoinTimeout",
    "LinkLost",
    "MailboxFull",
    "NameTaken",
    "NodeDead",
    "NodeLeaving",
    "NodeNotFound",
    "NotInitialized",
    "NotOwner",
    "NotSendable",
    "Overloaded",
    "PulsingActorError",
    "PulsingBusinessError",
    "PulsingError",
    "PulsingRuntimeError",
    "PulsingSystemError",
    "PulsingTimeoutError",
    "PulsingUnsupportedError",
    "SystemStopped",
    "WrongLoop",
]

# Two classes on Python 3.10, one since 3.11; callers may catch either.
_TIMEOUTS: tuple[type[Exception], ...] = tuple({TimeoutError, asyncio.TimeoutError})


class PulsingError(Exception):
    """Base of every error that Pulsing raises."""

    remote_type: str | None = None
    """What the actor raised, as `module.Type` (builtins bare); None where the error did not pass through an actor."""

    remote_traceback: str | None = None
    """The traceback text from where it was raised; None where the error did not pass through an actor."""

    def __str__(self) -> str:
        # Builtin parents of the mixed classes have their own ideas (KeyError shows a repr, OSError an errno).
        return BaseException.__str__(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (_bases_of(type(self)), self.args, dict(self.__dict__))


class PulsingRuntimeError(PulsingError):
    """The framework could not do it: lookup, links, cluster, limits, configuration, I/O or encoding.

    Args:
        message: what happened.
        cause: the error beneath, if there is one.
    """

    def __init__(self, message: str, cause: Exception | None = None) -> None:
        Exception.__init__(self, message)
        self.cause = cause


class PulsingActorError(PulsingError):
    """An actor's own code failed while it ran a message.

    Args:
        message: what happened.
        actor_name: the actor, if known.
        cause: the error beneath, if there is one.
    """

    def __init__(self, message: str, actor_name: str | None = None, cause: Exception | None = None) -> None:
        Exception.__init__(self, message)
        self.actor_name = actor_name
        self.cause = cause


class PulsingBusinessError(PulsingActorError):
    """What the caller asked for was wrong; never a reason to restart the actor.

    Args:
        code: a number in the manner of HTTP status codes; 400 for the builtin errors that map here.
        message: what was wrong.
        details: more for a person, optional.
    """

    def __init__(self, code: int, message: str, details: str | None = None) -> None:
        super().__init__(f"[{code}] {message}")
        self.code = code
        self.message = message
        self.details = details


class PulsingSystemError(PulsingActorError):
    """An internal fault of the actor or of something that it depends on.

    Args:
        error: what happened.
        recoverable: False says that the actor's state can no longer be trusted. It is then a failure of the actor:
            it stops, or restarts where its policy says so.
    """

    def __init__(self, error: str, recoverable: bool = True) -> None:
        super().__init__(error)
        self.error = error
        self.recoverable = recoverable


class PulsingTimeoutError(PulsingActorError):
    """Something inside the actor took too long; may be tried again.

    Args:
        operation: what was waited for.
        duration_ms: for how long, in milliseconds.
    """

    def __init__(self, operation: str, duration_ms: int = 0) -> None:
        super().__init__(f"Operation '{operation}' timed out after {duration_ms}ms")
        self.operation = operation
        self.duration_ms = duration_ms


class PulsingUnsupportedError(PulsingActorError):
    """The actor does not offer this operation; trying again will not help.

    Args:
        operation: what was asked for, as `Class.method`.
    """

    def __init__(self, operation: str) -> None:
        super().__init__(f"Unsupported operation: {operation}")
        self.operation = operation


class NotInitialized(PulsingRuntimeError, RuntimeError):
    """There is no process-wide system yet; `await pulsing.init()` makes it."""

    def __init__(self, message: str = "Actor system not initialized. Call 'await init()' first.") -> None:
        super().__init__(message)


class SystemStopped(PulsingRuntimeError, RuntimeError):
    """The system that was used has been shut down."""

    def __init__(self, message: str = "The actor system has been shut down.") -> None:
        super().__init__(message)


class WrongLoop(PulsingRuntimeError, RuntimeError):
    """The call cannot be made in this thread or on this event loop; the text says what to do instead."""


class ActorNotFound(PulsingRuntimeError, LookupError, RuntimeError):
    """No live actor has this name or id."""

    maybe_executed = False

    def __init__(self, name: str | None = None, actor_id: ActorId | None = None) -> None:
        super().__init__(f"Named actor not found: {name}" if name is not None else f"Actor not found: {actor_id}")
        self.name = name
        self.actor_id = actor_id


class ActorStopped(PulsingRuntimeError, RuntimeError):
    """The actor ended before or while it handled the message; `cause` is what ended it, if something did."""

    def __init__(
        self,
        actor_id: ActorId | None = None,
        name: str | None = None,
        reason: str = "stopped",
        maybe_executed: bool = False,
        cause: Exception | None = None,
    ) -> None:
        who = name or actor_id
        why = f": {cause}" if cause is not None else ""
        super().__init__(f"{reason}{why}" if who is None else f"Actor {who} has ended ({reason}){why}", cause)
        self.actor_id = actor_id
        self.name = name
        self.reason = reason
        self.maybe_executed = maybe_executed


class NameTaken(PulsingRuntimeError, RuntimeError):
    """The node has an actor of this name; stop that one, or choose another name."""

    def __init__(self, name: str, node_id: NodeId | None = None) -> None:
        super().__init__(f"Actor already exists: {name}")
        self.name = name
        self.node_id = node_id


class MailboxFull(PulsingRuntimeError, RuntimeError):
    """The mailbox's policy refused the message, or dropped it for a newer one."""

    maybe_executed = False

    def __init__(self, name: str, capacity: int) -> None:
        room = f"{capacity} messages, and node.mailbox_bytes of those from other nodes"
        super().__init__(f"Mailbox of {name} is full (it takes {room})")
        self.name = name
        self.capacity = capacity


class Overloaded(PulsingRuntimeError, RuntimeError):
    """A limit of the node, of a queue or of how long a call can wait is reached; try again later, or elsewhere."""

    maybe_executed = False

    def __init__(self, what: str, limit: int | float) -> None:
        super().__init__(f"Overloaded: {what} is at its limit of {limit}")
        self.what = what
        self.limit = limit


class DeadlineExceeded(PulsingRuntimeError, *_TIMEOUTS, RuntimeError):  # type: ignore[misc]
    """No answer came within the call's timeout, in seconds. A message that expires in the mailbox is not run."""

    def __init__(self, operation: str, timeout: float, maybe_executed: bool = True) -> None:
        super().__init__(f"{operation} did not answer within {timeout:g} s")
        self.operation = operation
        self.timeout = timeout
        self.maybe_executed = maybe_executed


class NodeNotFound(PulsingRuntimeError, LookupError, RuntimeError):
    """No member of the cluster has this id, or it lacks the name that was asked for."""

    maybe_executed = False

    def __init__(self, node_id: NodeId | int | str) -> None:
        super().__init__(f"Node not found: {_node_text(node_id)}")
        self.node_id = node_id


class NodeDead(PulsingRuntimeError, ConnectionError, RuntimeError):
    """The node has been declared dead."""

    def __init__(self, node_id: NodeId | int | str, maybe_executed: bool = False) -> None:
        super().__init__(f"Node is dead: {_node_text(node_id)}")
        self.node_id = node_id
        self.maybe_executed = maybe_executed


class NodeLeaving(PulsingRuntimeError, ConnectionError, RuntimeError):
    """The node is about to leave, or has left, and takes no new work; resolve the name again and call who is found."""

    def __init__(self, node_id: NodeId | int | str, maybe_executed: bool = False) -> None:
        super().__init__(f"Node is leaving: {_node_text(node_id)}")
        self.node_id = node_id
        self.maybe_executed = maybe_executed


class LinkLost(PulsingRuntimeError, ConnectionError, RuntimeError):
    """The link to the node broke while the message was under way; `maybe_executed` tells sent from unsent."""

    def __init__(self, node_id: NodeId | int | str, maybe_executed: bool = True, detail: str = "") -> None:
        super().__init__(f"Link to node {_node_text(node_id)} was lost{': ' if detail else ''}{detail}")
        self.node_id = node_id
        self.maybe_executed = maybe_executed


class AuthFailed(PulsingRuntimeError, PermissionError, RuntimeError):
    """The other end refused our credentials, or could not prove its own; `hint` says what to set."""

    maybe_executed = False

    def __init__(self, addr: str, hint: str) -> None:
        super().__init__(f"Authentication with {addr} failed: {hint}")
        self.addr = addr
        self.hint = hint


class Forbidden(PulsingRuntimeError, PermissionError, RuntimeError):
    """The policy of the node that was asked does not allow it; `hint` says which setting would."""

    maybe_executed = False

    def __init__(self, operation: str, hint: str = "") -> None:
        super().__init__(f"Forbidden: {operation}{'; ' if hint else ''}{hint}")
        self.operation = operation
        self.hint = hint


class JoinTimeout(PulsingRuntimeError, *_TIMEOUTS, RuntimeError):  # type: ignore[misc]
    """No seed could be joined within `join_timeout`, in seconds; `reasons` says what is known of the attempts."""

    def __init__(self, seeds: list[str], timeout: float, reasons: Sequence[str] = ()) -> None:
        detail = f" ({'; '.join(dict.fromkeys(reasons))})" if reasons else ""
        super().__init__(f"No seed answered within {timeout:g} s: {', '.join(seeds)}{detail}")
        self.seeds = seeds
        self.timeout = timeout
        self.reasons = list(reasons)


class AddressInUse(PulsingRuntimeError, OSError, RuntimeError):
    """Another process listens on the address."""

    def __init__(self, addr: str) -> None:
        super().__init__(f"Address already in use: {addr}; choose another port, or 0 for any free one")
        self.addr = addr


class NotSendable(PulsingRuntimeError, TypeError, RuntimeError):
    """A value cannot travel to another node; raised at the sender, before anything is sent.

    The text names the type and the two ways out, or with `detail` what else is wrong, as that the value is too large.
    """

    def __init__(self, type_name: str, maybe_executed: bool = False, detail: str = "") -> None:
        ways_out = (
            "register it with pulsing.register_type on both ends, or allow pickle with allow_pickle=True on both nodes"
        )
        super().__init__(f"{type_name} cannot be sent to another node: {detail or ways_out}")
        self.type_name = type_name
        self.maybe_executed = maybe_executed


class NotOwner(PulsingRuntimeError, RuntimeError):
    """The bucket or broker lives on another node, and following it did not lead there."""

    maybe_executed = False

    def __init__(
        self, resource: str, owner_node_id: NodeId | int | str | None = None, epoch: int = 0, message: str | None = None
    ) -> None:
        super().__init__(message or f"{resource} is owned by node {_node_text(owner_node_id)} (epoch {epoch})")
        self.resource = resource
        self.owner_node_id = owner_node_id
        self.epoch = epoch


class BucketUnavailable(PulsingRuntimeError, RuntimeError):
    """The bucket's store is away; its records are kept there until the node that holds them is back."""

    maybe_executed = False

    def __init__(self, topic: str, bucket_id: int, since: float) -> None:
        super().__init__(f"Bucket {bucket_id} of {topic} is unavailable")
        self.topic = topic
        self.bucket_id = bucket_id
        self.since = since


class DataLost(PulsingRuntimeError, RuntimeError):
    """Records that were there are gone: told once to each handle, before anything newer is returned.

    `reason` is "owner_died", "retention" or "corrupt"; `first` and `last` are offsets, None where unknown.
    """

    def __init__(
        self,
        topic: str,
        bucket_id: int,
        reason: str,
        first: int | None = None,
        last: int | None = None,
        generation: int = 0,
    ) -> None:
        span = "" if first is None else f" (offsets {first} to {'unknown' if last is None else last})"
        super().__init__(f"Records of {topic} bucket {bucket_id} are lost: {reason}{span}")
        self.topic = topic
        self.bucket_id = bucket_id
        self.reason = reason
        self.first = first
        self.last = last
        self.generation = generation


class RemoteTraceback(Exception):
    """Carries the traceback text of another node, so that it prints as the cause of what was raised here."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


PULSING_ERRORS: Mapping[str, type[PulsingError]] = {
    cls.__name__: cls for cls in list(globals().values()) if isinstance(cls, type) and issubclass(cls, PulsingError)
}
"""The Pulsing classes an error may arrive as, by name. Nothing outside this table is ever rebuilt."""

# Raising the first kinds into a future or a generator has a meaning of its own; the last cannot be built without
# arguments.
_NEVER_MIXED = ("Exception", "StopIteration", "StopAsyncIteration", "ExceptionGroup")

BUILTIN_ERRORS: Mapping[str, type[Exception]] = {
    name: cls
    for name, cls in vars(builtins).items()
    if isinstance(cls, type)
    and issubclass(cls, Exception)
    and not issubclass(cls, Warning)
    and cls.__name__ == name
    and name not in _NEVER_MIXED
}
"""The builtin classes that an arriving error may also be an instance of, by name."""


def error_for_caller(raised: BaseException, *, operation: str, actor_name: str) -> PulsingError:
    """Turn what an actor raised into what its caller sees.

    | raised | arrives as |
    |---|---|
    | a Pulsing error | the same class (of a subclass: its nearest Pulsing class) with its fields |
    | ValueError and kind, TypeError, KeyError, AttributeError | PulsingBusinessError(400, "Type: text") |
    | TimeoutError | PulsingTimeoutError(operation) |
    | anything else | PulsingSystemError("Type: text", recoverable=True) |

    Args:
        raised: the exception that left the actor.
        operation: `Class.method`.
        actor_name: the actor's name, else its id.

    Returns:
        A new exception with `remote_type`, `remote_traceback` and `actor_name` set and `raised` as its cause.
    """
    error = _translate(raised, operation)
    error.remote_type = type_name_of(raised)
    error.remote_traceback = traceback_text(raised)
    error.actor_name = actor_name  # type: ignore[attr-defined]
    error.__cause__ = raised
    return error


def _translate(raised: BaseException, operation: str) -> PulsingError:
    if isinstance(raised, PulsingError):
        return _own_error(raised)
    ancestor = nearest_builtin(raised)
    if isinstance(raised, _TIMEOUTS):
        pulsing_class: type[PulsingActorError] = PulsingTimeoutError
        model: PulsingActorError = PulsingTimeoutError(operation)
    elif isinstance(raised, (ValueError, TypeError, KeyError, AttributeError)):
        pulsing_class, model = PulsingBusinessError, PulsingBusinessError(400, describe(raised))
    else:
        pulsing_class, model = PulsingSystemError, PulsingSystemError(describe(raised))
    bases = (pulsing_class,) if ancestor is None else (pulsing_class, ancestor)
    return rebuild(bases, model.args, model.__dict__)


def _own_error(raised: PulsingError) -> PulsingError:
    nearest = nearest_pulsing(raised)
    builtin = nearest_builtin(raised)
    bases = (nearest,) if builtin is None or issubclass(nearest, builtin) else (nearest, builtin)
    error = rebuild(bases, (text_of(raised),), raised.__dict__)
    if isinstance(error, PulsingRuntimeError) and hasattr(error, "maybe_executed"):
        # The flag speaks of the caller's own message, and that one did run.
        error.maybe_executed = True
    return error


def nearest_pulsing(error: PulsingError) -> type[PulsingError]:
    """The first class of this module among the ancestors of `error`."""
    for cls in type(error).__mro__:
        if PULSING_ERRORS.get(cls.__name__) is cls:
            return PULSING_ERRORS[cls.__name__]
    return PulsingError


def nearest_builtin(error: BaseException) -> type[Exception] | None:
    """The builtin exception class that `error` is closest to, or None where only `Exception` would be left."""
    for cls in type(error).__mro__:
        if BUILTIN_ERRORS.get(cls.__name__) is cls:
            return BUILTIN_ERRORS[cls.__name__]
    return TimeoutError if isinstance(error, _TIMEOUTS) else None


def rebuild(bases: tuple[type, ...], args: tuple[Any, ...], fields: Mapping[str, Any]) -> PulsingError:
    """Make an error of the classes in `bases` (one Pulsing class, at most one builtin) without running constructors."""
    cls: type[PulsingError] = bases[0] if len(bases) == 1 else mixed(*bases)
    error: PulsingError = cls.__new__(cls)
    error.args = args
    error.__dict__.update(fields)
    return error


def without_frames(error: BaseException, causes: int = 5) -> PulsingError:
    """A copy of an error that may be kept for long: it holds no frame, and so nothing that was at work in one.

    Args:
        error: what its caller saw; one that is not of Pulsing's own classes becomes one, as if an actor had raised it.
        causes: how many `cause` below it are kept, each the same way.

    Returns:
        An error with the text, the tracebacks as text and those attributes that are plain values.
    """
    if not isinstance(error, PulsingError):
        error = error_for_caller(error, operation=type(error).__name__, actor_name="")
    category, builtin = nearest_pulsing(error), nearest_builtin(error)
    plain = {name: value for name, value in vars(error).items() if _is_plain(value)}
    if hasattr(error, "cause"):
        cause = error.cause
        plain["cause"] = without_frames(cause, causes - 1) if isinstance(cause, BaseException) and causes else None
    copy = rebuild((category,) if builtin is None else (category, builtin), (text_of(error),), plain)
    if copy.remote_traceback is not None:
        copy.__cause__ = RemoteTraceback(copy.remote_traceback)
    return copy


def _is_plain(value: object) -> bool:
    if type(value) is list:
        return all(type(item) is str for item in value)
    return value is None or type(value) in (bool, int, float, str, ActorId, NodeId)


@functools.cache
def mixed(pulsing_class: type[PulsingError], builtin_class: type[Exception]) -> type[PulsingError]:
    """The class that is both `pulsing_class` and `builtin_class`; named like the first."""
    if issubclass(pulsing_class, builtin_class):
        return pulsing_class
    fields: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": pulsing_class.__doc__,
        "_mixed_of": (pulsing_class, builtin_class),
    }
    if builtin_class is MemoryError:
        # It has an allocator of its own, which makes nothing but itself.
        fields["__new__"] = pulsing_class.__new__
    builtins_too = _TIMEOUTS if builtin_class is TimeoutError else (builtin_class,)
    return type(pulsing_class.__name__, (pulsing_class, *builtins_too), fields)


def _bases_of(cls: type) -> tuple[type, ...]:
    bases: tuple[type, ...] = cls.__dict__.get("_mixed_of", (cls,))
    return bases


def type_name_of(error: BaseException) -> str:
    """`module.Type` of an exception, bare for builtins."""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def describe(error: BaseException) -> str:
    """`Type: text` of an exception."""
    return f"{type(error).__name__}: {text_of(error)}"


def text_of(error: BaseException) -> str:
    """The text of an exception; one that cannot be shown does not hide the one that happened."""
    try:
        return str(error)
    except Exception:
        return "<no text: its __str__ raised>"


def traceback_text(error: BaseException) -> str:
    """The formatted traceback of an exception with its causes."""
    try:
        return "".join(traceback.format_exception(error))
    except Exception:
        return describe(error)


def _node_text(node_id: NodeId | int | str | None) -> str:
    return f"{node_id:016x}" if isinstance(node_id, int) else str(node_id)
