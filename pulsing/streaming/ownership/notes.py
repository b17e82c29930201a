"""Who has had which bucket, noted beside a queue's files: what all nodes would forget when all of them end.

Where some come back before the others, a bucket whose files are on none of them would look as if nobody had ever put
anything into it, and a second log would begin beside the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pulsing.core.system import System
from pulsing.logs import logger_of
from pulsing.streaming.ownership.catalogue import Catalogue, QueueSettings, queue_of
from pulsing.streaming.ownership.folders import Folders
from pulsing.streaming.ownership.keepers import place_of
from pulsing.streaming.ownership.takeover import Takeover

logger = logger_of("pulsing.streaming")

NOTE_AFTER_S = 0.1
"""Many buckets of a queue may be opened one after the other: they are noted together."""


class Notes:
    """What one node notes.

    Args:
        inner: the node.
        catalogue: what it knows.
        folders: where this node's stores keep their files.
    """

    def __init__(self, inner: System, catalogue: Catalogue, folders: Callable[[], Folders]) -> None:
        self._inner = inner
        self._catalogue = catalogue
        self._folders = folders
        self._due: set[str] = set()
        self._writing: asyncio.Task[None] | None = None
        catalogue.on_holding = self._changed

    def _changed(self, key: str) -> None:
        queue = queue_of(key)
        if queue is not None:
            self._note_soon(queue)

    def _note_soon(self, queue: str) -> None:
        self._due.add(queue)
        if self._writing is None or self._writing.done():
            self._writing = self._inner.tasks.start(self._write_soon(), "note who has buckets")

    def used_here(self, queue: str, settings: QueueSettings) -> None:
        """Note what is known of a queue that is used from here, though this node may have no files of it.

        After the end of all nodes it might be the first to come back, and begin its buckets or find them empty.
        """
        takeover, folders = _takeover(settings), self._folders()
        if takeover is None or not takeover.waits:
            return
        folder = place_of(folders, queue, settings)
        if folders.allows(folder):
            try:
                folders.remember(folder, queue, settings)
            except OSError as error:
                logger.info("queue %s: this node cannot note who has its buckets: %s", queue, error)
            else:
                self._note_soon(queue)

    async def _write_soon(self) -> None:
        await asyncio.sleep(NOTE_AFTER_S)
        self.write()

    def write(self) -> None:
        """Write what is due now."""
        due, self._due = self._due, set()
        for queue in due:
            settings = self._catalogue.settings(queue)
            takeover = None if settings is None else _takeover(settings)
            if settings is None or takeover is None or not takeover.is_file_based:
                continue
            folders = self._folders()
            try:
                folders.note(place_of(folders, queue, settings), self._catalogue.holdings_of(queue))
            except OSError as error:
                logger.warning("queue %s: who has its buckets could not be noted: %s", queue, error)


def _takeover(settings: QueueSettings) -> Takeover | None:
    """How buckets are taken over; None for a store that this node does not have."""
    try:
        return Takeover.of(settings)
    except (ValueError, ImportError):
        return None
