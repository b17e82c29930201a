"""How queues are set up: the first put fixes the settings of a queue, and whoever waits for that is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from pulsing.core.timers import check_seconds
from pulsing.streaming.backend import check_options
from pulsing.streaming.ownership.catalogue import Catalogue, QueueDiffers, QueueSettings
from pulsing.streaming.ownership.remembering import Remembering
from pulsing.streaming.ownership.takeover import check_quorum, store_options


class Declarations:
    """The settings of queues, as one node knows and fixes them.

    Args:
        catalogue: what this node knows.
        remembering: what outlives this node.
        default_backend: name of the store of queues that name none.
        declared: called when a queue was set up here; the second argument says whether it is new.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        remembering: Remembering,
        default_backend: str,
        declared: Callable[[str, bool], None],
    ) -> None:
        self._catalogue = catalogue
        self._remembering = remembering
        self._default_backend = default_backend
        self._declared = declared
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    async def known(self, topic: str, asked: QueueSettings) -> QueueSettings | None:
        """The settings of a queue, from where its records are if nobody has told of it.

        Raises:
            PulsingRuntimeError: they may be in a server that is away, or in a folder that cannot be read.
        """
        if self._catalogue.settings(topic) is None:
            kept = await self._remembering.recall(topic, asked)
            if kept is not None and self._catalogue.settings(topic) is None:
                self._set_up(topic, kept, is_new=False)
                self._catalogue.recall(topic, self._remembering.noted(topic, asked))
        return self._catalogue.settings(topic)

    async def fix(self, topic: str, asked: QueueSettings) -> QueueSettings:
        """Set a queue up, unless it is; returns the settings that hold.

        Raises:
            PulsingRuntimeError: they are to be kept in a server that is away, or promises too little.
        """
        if self._is_open(topic):
            held = await self._remembering.keep(topic, self._completed(topic, asked))
            if self._is_open(topic):
                self._set_up(topic, held, is_new=self._catalogue.settings(topic) is None)
        return self._catalogue.settings(topic) or asked

    def _is_open(self, topic: str) -> bool:
        known = self._catalogue.settings(topic)
        return known is None or known.num_buckets is None

    def _completed(self, topic: str, asked: QueueSettings) -> QueueSettings:
        """What is to hold of a queue; where a bucket was opened by itself before, its store is fixed."""
        known = self._catalogue.settings(topic)
        check_quorum(asked.backend_options)
        if known is None:
            backend = asked.backend or self._default_backend
            return replace(asked, backend=backend, backend_options=dict(asked.backend_options or {}))
        return replace(known, num_buckets=asked.num_buckets, bucket_column=asked.bucket_column)

    def _set_up(self, topic: str, settings: QueueSettings, *, is_new: bool) -> None:
        self._catalogue.set_up(topic, settings)
        self.announce(topic)
        self._declared(topic, is_new)

    def fix_store(self, topic: str, asked: QueueSettings) -> QueueSettings:
        """The settings for opening a bucket; the queue is set up by that if it is not.

        Raises:
            QueueDiffers: it was set up otherwise.
            TypeError, ValueError: the store cannot be made with these options.
        """
        self.check(topic, asked)
        known = self._catalogue.settings(topic)
        if known is None:
            backend = asked.backend or self._default_backend
            check_options(backend, asked.batch_size, store_options(asked.backend_options))
            known = self._completed(topic, asked)
            self._set_up(topic, known, is_new=True)
        return known

    def check(self, topic: str, asked: QueueSettings) -> None:
        """Raise QueueDiffers if a queue was set up otherwise than somebody wants it."""
        known = self._catalogue.settings(topic)
        if known is not None and (difference := known.difference(asked)) is not None:
            raise QueueDiffers(topic, difference)

    def check_bucket(self, topic: str, bucket_id: int) -> None:
        """Raise ValueError if a queue was set up with fewer buckets."""
        known = self._catalogue.settings(topic)
        if known is not None and known.num_buckets is not None and bucket_id >= known.num_buckets:
            raise ValueError(f"queue {topic!r} has buckets 0 to {known.num_buckets - 1}, not {bucket_id}")

    async def wait(self, topic: str, timeout: float) -> bool:
        """Wait until a queue is set up; False after `timeout` seconds."""
        check_seconds(timeout, "timeout")
        arrival: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(topic, []).append(arrival)
        try:
            await asyncio.wait_for(arrival, timeout)
        except asyncio.TimeoutError:
            return False
        finally:
            self._leave_line(topic, arrival)
        return True

    def announce(self, topic: str) -> None:
        """Tell those who wait that a queue is set up."""
        for arrival in self._waiting.pop(topic, ()):
            if not arrival.done():
                arrival.set_result(None)

    def _leave_line(self, topic: str, arrival: asyncio.Future[None]) -> None:
        line = self._waiting.get(topic, [])
        if arrival in line:
            line.remove(arrival)
            if not line:
                del self._waiting[topic]
