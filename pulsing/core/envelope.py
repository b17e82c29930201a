"""One message on its way to an actor: what is asked, of whom, until when, and where the answer goes.

An envelope is the only thing that travels between caller, mailbox and node. It knows nothing of cells, links or
encodings; whoever holds it next decides what to do with it. The caller writes what it wants and of whom; whoever posts
it stamps it with the time, the deadline, the sender and the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pulsing.ids import ActorId

ATTRIBUTE = "?"
"""Prefix of `method` when a plain attribute is read instead of a method called; no identifier begins with it."""


class Reply(Protocol):
    """Where an answer goes. An asyncio future is one; an open request of another node is one."""

    def done(self) -> bool:
        """Whether nobody waits any more: answered, expired or cancelled by the caller."""
        ...

    def set_result(self, value: Any, /) -> None: ...

    def set_exception(self, error: BaseException, /) -> None: ...

    def cancelled(self) -> bool:
        """Whether the caller has left."""
        ...

    def add_done_callback(self, callback: Callable[[Any], Any], /) -> None:
        """Call back when it is done, also by the caller's leaving."""
        ...


class Envelope:
    """A message to one actor.

    Attributes:
        target: id of the actor.
        method: name of the method; `?name` to read an attribute; None for a message to `receive`, which is then the
            only element of `args`.
        args, kwargs: the call's arguments; `kwargs` may be None for none.
        reply: where the answer goes; None for a tell.
        timeout: seconds that the caller grants; None for no limit.
        deadline: the moment on the node's monotonic clock after which the message is not run; None for no limit.
        accepted_at: when the mailbox took it, on the same clock.
        sender: id of the actor that sent it, if an actor did.
        trace: W3C trace context in 25 bytes (trace id, span id, flags), if there is one.
        stream: whether the caller wants to iterate; an async generator that is only awaited is run to its end.
        size: about how many bytes it takes; 0 for a message of this process, which refers to objects of its sender.
    """

    size = 0
    __slots__ = (
        "accepted_at",
        "args",
        "deadline",
        "kwargs",
        "method",
        "reply",
        "sender",
        "stream",
        "target",
        "timeout",
        "trace",
    )

    def __init__(
        self,
        target: ActorId,
        method: str | None,
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
        reply: Reply | None = None,
        timeout: float | None = None,
        deadline: float | None = None,
        accepted_at: float = 0.0,
        sender: ActorId | None = None,
        trace: bytes | None = None,
        stream: bool = False,
    ) -> None:
        self.target = target
        self.method = method
        self.args = args
        self.kwargs = kwargs
        self.reply = reply
        self.timeout = timeout
        self.deadline = deadline
        self.accepted_at = accepted_at
        self.sender = sender
        self.trace = trace
        self.stream = stream

    @property
    def is_ask(self) -> bool:
        """Whether somebody was promised an answer."""
        return self.reply is not None

    @property
    def abandoned(self) -> bool:
        """Whether an answer was promised that nobody waits for any more."""
        return self.reply is not None and self.reply.done()

    def expired(self, now: float) -> bool:
        """Whether the deadline has passed at `now`."""
        return self.deadline is not None and self.deadline <= now

    def fail(self, error: BaseException) -> None:
        """Give the caller an error, if one still waits."""
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(error)

    def __repr__(self) -> str:
        kind = "ask" if self.is_ask else "tell"
        return f"Envelope({kind} {self.target} {self.method or 'receive'})"
