"""The messages of one actor that are not done in one turn: coroutines, generators, streams, and work in its thread."""

from __future__ import annotations

import asyncio
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

import pulsing.core.answers as answers
from pulsing.core.envelope import Envelope
from pulsing.core.life import current_task
from pulsing.core.messages import Message, StreamMessage
from pulsing.core.proxy import Call
from pulsing.core.pump import give_stream, is_awaited_only, run_out
from pulsing.core.starting import Starting
from pulsing.core.statistics import MethodCounters
from pulsing.core.steps import in_steps
from pulsing.core.streams import Channel
from pulsing.core.turns import Turn
from pulsing.core.worker import Worker

_GENERATORS = frozenset({GeneratorType, AsyncGeneratorType})
_COROUTINES = frozenset({CoroutineType, Call})
UNFINISHED = _GENERATORS | _COROUTINES | {Message, StreamMessage}
"""Types of results that are not yet what the caller waits for."""


class Progress(Starting):
    """What an actor is at work on, from one turn to the next."""

    __slots__ = ("_in_progress", "_running", "_streams", "_worker")

    # Set by `Cell`: one more constructor is one more tenth of what a spawn costs.
    _in_progress: int
    _running: dict[Envelope, tuple[asyncio.Task[None], Any]] | None
    _streams: dict[Channel, MethodCounters] | None
    _worker: Worker | None

    def turn_for(self, envelope: Envelope) -> Turn:
        """The turn that a message takes."""
        raise NotImplementedError

    def _go_on(self, envelope: Envelope, result: Any, counters: MethodCounters, start: float) -> None:
        """A method gave something to wait for, a generator or an explicit message."""
        if type(result) in _COROUTINES or is_awaited_only(self, envelope, result):
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
            if type(work) in _COROUTINES:
                result = await in_steps(self, envelope.method, counters, work)
            else:
                result = work if type(work) in _GENERATORS else await work
            while type(result) in _COROUTINES:
                # A method that wraps an async one, or another actor's, and ran in a thread or is async itself.
                result = await in_steps(self, envelope.method, counters, result)
            if type(result) not in UNFINISHED:
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

    def caller_left(self, envelope: Envelope) -> None:
        """The caller's time is over; a caller who cancels is noticed by the answer that is cancelled."""
        if self.spec.cancellable:
            self._cancel(envelope)

    def _cancel(self, envelope: Envelope) -> None:
        if self._running is not None and envelope in self._running:
            task, work = self._running[envelope]
            task.cancel()
            task.add_done_callback(lambda _: self._sweep(envelope, work))

    def _sweep(self, envelope: Envelope, work: Any) -> None:
        """See to a message whose task was cancelled before its first step, and so has seen to nothing."""
        if self._running is None or envelope not in self._running:
            return
        if type(work) in _COROUTINES:
            work.close()
        counters = self.turn_for(envelope).counters
        answers.fail(self, envelope, asyncio.CancelledError(), counters, self.now())
        self._done(envelope)

    @property
    def in_progress(self) -> list[Envelope]:
        """The messages that run now."""
        return list(self._running or ())

    def message_of(self, task: asyncio.Task[Any]) -> Envelope | None:
        """The message that a task of this actor is at work on."""
        return next((message for message, (at_work, _) in (self._running or {}).items() if at_work is task), None)

    def running_tasks(self) -> list[asyncio.Task[None]]:
        return [task for task, _ in self._running.values()] if self._running else []

    def cancel_running(self) -> None:
        current = current_task()
        for envelope, (task, _) in list((self._running or {}).items()):
            if task is not current:
                self._cancel(envelope)

    def add_stream(self, channel: Channel, counters: MethodCounters) -> None:
        """Let the stream of a method end with this instance of the actor."""
        if self._streams is None:
            self._streams = {}
        self._streams[channel] = counters
        counters.streams_open += 1
        self.counters.streams += 1
        self.counters.streams_open += 1

    def drop_stream(self, channel: Channel) -> None:
        """The stream has ended."""
        if self._streams is not None and channel in self._streams:
            self._streams.pop(channel).streams_open -= 1
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
