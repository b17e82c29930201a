"""The open request of another node, as the actor that answers it sees it: a place to put a result or an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pulsing.exceptions import NotSendable, PulsingRuntimeError
from pulsing.ids import NodeId
from pulsing.wire.session import Request

if TYPE_CHECKING:
    from pulsing.node.link import Link


class Answer:
    """Stands where a local caller's future would: one result, one error, or a caller who no longer waits."""

    __slots__ = ("_callbacks", "_cancelled", "_done", "_link", "_request")

    def __init__(self, link: Link, request: Request[Any]) -> None:
        self._link = link
        self._request = request
        self._done = False
        self._cancelled = False
        self._callbacks: list[Callable[[Answer], None]] | None = None

    @property
    def node_id(self) -> NodeId:
        """The node of the caller, as it has proved to be."""
        return self._link.peer.node_id

    def done(self) -> bool:
        """Whether it was answered, or its caller left."""
        return self._done

    def cancelled(self) -> bool:
        """Whether its caller left."""
        return self._cancelled

    def set_result(self, value: Any, /) -> None:
        """Send the result, or open the stream that it stands for."""
        self._done = True
        self._link.replies.result(self._request, value)

    def set_exception(self, error: BaseException, /) -> None:
        """Send the error."""
        self._done = True
        self._link.replies.error(self._request, error)

    def add_done_callback(self, callback: Callable[[Answer], None]) -> None:
        """Call back when the caller has left."""
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)

    def cancel(self) -> None:
        """The caller has left, or can no longer be reached."""
        if self._done:
            return
        self._done = self._cancelled = True
        for callback in self._callbacks or ():
            callback(self)


def not_sendable(value: Any, error: Exception) -> NotSendable:
    """The error for the caller of a method that did run, and gave what cannot be sent."""
    refusal = error if isinstance(error, NotSendable) else NotSendable(type(value).__name__, detail=str(error))
    refusal.maybe_executed = True
    return refusal


def failure_of_message(text: str, *, maybe_executed: bool) -> PulsingRuntimeError:
    """An error about a message for which there is no class of its own."""
    error = PulsingRuntimeError(text)
    error.maybe_executed = maybe_executed  # type: ignore[attr-defined]
    return error
