"""How queues are set up: the first put fixes the settings of a queue, and whoever waits for that is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from pulsing.streaming.backend import check_options
from pulsing.streaming.catalogue import Catalogue, QueueDiffers, QueueSettings
from pulsing.streaming.folders import Folders
from pulsing.streaming.takeover import check_quorum, store_options


class Declarations:
    """The settings of queues, as one node knows and fixes them.

    Args:
        catalogue: what this node knows.
        folders: where its stores keep their files.
        default_backend: name of the store of queues that name none.
        declared: called when a queue was set up here; the second argument says whether it is new.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        folders: Callable[[], Folders],
        default_backend: str,
        declared: Callable[[str, bool], None],
    ) -> None:
        self._catalogue = catalogue
        self._folders = folders
        self._default_backend = default_backend
        self._declared = declared
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def known(self, topic: str, storage_path: str | None) -> QueueSettings | None:
        """The settings of a queue, from its files where they lie in a folder of their own."""
        known = self._catalogue.settings(topic)
        folders = self._folders()
        if known is None and storage_path is not None and folders.allows(storage_path):
            known = folders.recall(storage_path, topic)
            if known is not None:
                self._catalogue.set_up(topic, known)
        return known

    def fix(self, topic: str, asked: QueueSettings) -> QueueSettings:
        """Set a queue up, unless it is; returns the settings that hold."""
        known = self._catalogue.settings(topic)
        check_quorum(asked.backend_options)
        if known is None:
            backend = asked.backend or self._default_backend
            settings = replace(asked, backend=backend, backend_options=dict(asked.backend_options or {}))
        elif known.num_buckets is None:
            # A bucket was opened by itself before; only its store is fixed.
            settings = replace(known, num_buckets=asked.num_buckets, bucket_column=asked.bucket_column)
        else:
            return known
        self._catalogue.set_up(topic, settings)
        self.announce(topic)
        self._declared(topic, known is None)
        return settings

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
            return self.fix(topic, asked)
        return known

    def check(self, topic: str, asked: QueueSettings) -> None:
        """Raise QueueDiffers if a queue was set up otherwise than somebody wants it."""
        known = self._catalogue.settings(topic)
        if known is not None and (difference := known.difference(asked)) is not None:
            raise QueueDiffers(topic, difference)

    async def wait(self, topic: str, timeout: float) -> bool:
        """Wait until a queue is set up; False after `timeout` seconds."""
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
