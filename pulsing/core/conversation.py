"""What was said to an agent of late and what it answered, as short texts.

Agents get few messages, each worth reading; other actors get many, and keep none. What an agent says to itself is no
conversation.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from pulsing.core.answers import error_type_name
from pulsing.core.cell import Cell
from pulsing.core.envelope import ATTRIBUTE, Envelope, Reply
from pulsing.core.streams import StreamReader
from pulsing.core.turns import Turn

EXCHANGES_KEPT = 10
HEARD_PER_S = 100
"""So many messages of one agent are noted in a second: writing one down takes about 50 µs."""


class Exchange:
    """One message and what became of it.

    Attributes:
        at: wall clock, seconds since 1970, when the agent turned to it.
        method: what was called.
        sender: id of the actor that sent it, if an actor did.
        said: its arguments.
        answer: the result, or the error's words; None before it, and for good where no answer is wanted.
        outcome: "running", "ok", "stream" for an answer that arrives in items, "told" where none is wanted, or the
            type of the error.
        took_s: seconds until the answer.
    """

    __slots__ = ("answer", "at", "method", "outcome", "said", "sender", "took_s")

    def __init__(self, at: float, method: str, sender: str | None, said: str, outcome: str) -> None:
        self.at = at
        self.method = method
        self.sender = sender
        self.said = said
        self.outcome = outcome
        self.answer: str | None = None
        self.took_s: float | None = None


class AgentCell(Cell):
    """The cell of an agent, which remembers its last messages."""

    __slots__ = ("_heard", "_second", "exchanges")

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.exchanges: deque[Exchange] = deque(maxlen=EXCHANGES_KEPT)
        self._second = 0
        self._heard = 0

    def _run(self, envelope: Envelope, turn: Turn, start: float) -> float:
        if envelope.sender != self.actor_id and self._has_time(start):
            self._listen(envelope, start)
        return super()._run(envelope, turn, start)

    def _has_time(self, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._heard = int(now), 0
        self._heard += 1
        return self._heard <= HEARD_PER_S

    def _listen(self, envelope: Envelope, start: float) -> None:
        if (envelope.method or "").startswith(ATTRIBUTE):
            return
        sender = None if envelope.sender is None else str(envelope.sender)
        said = self.system.preview.call(envelope.args, envelope.kwargs)
        outcome = "told" if envelope.reply is None else "running"
        exchange = Exchange(self.system.clock.wall(), envelope.method or "receive", sender, said, outcome)
        self.exchanges.append(exchange)
        if envelope.reply is not None:
            envelope.reply = _Overheard(envelope.reply, exchange, self, start)


class _Overheard:
    """A reply of which a note is made on its way to whoever asked."""

    __slots__ = ("_cell", "_exchange", "_reply", "_start")

    def __init__(self, reply: Reply, exchange: Exchange, cell: Cell, start: float) -> None:
        self._reply = reply
        self._exchange = exchange
        self._cell = cell
        self._start = start

    def done(self) -> bool:
        return self._reply.done()

    def cancelled(self) -> bool:
        return self._reply.cancelled()

    def add_done_callback(self, callback: Callable[[Any], Any], /) -> None:
        self._reply.add_done_callback(callback)

    def set_result(self, value: Any, /) -> None:
        if isinstance(value, StreamReader):
            self._note("stream", None)
        else:
            self._note("ok", self._cell.system.preview.value(value))
        self._reply.set_result(value)

    def set_exception(self, error: BaseException, /) -> None:
        self._note(error_type_name(error), self._cell.system.preview.text(str(error)))
        self._reply.set_exception(error)

    def _note(self, outcome: str, answer: str | None) -> None:
        self._exchange.outcome, self._exchange.answer = outcome, answer
        self._exchange.took_s = self._cell.now() - self._start
