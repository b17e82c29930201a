"""Which nodes have the files of a bucket, and whose log is in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pulsing.exceptions import ActorNotFound, BucketUnavailable, PulsingRuntimeError
from pulsing.streaming.backend import get_backend_class
from pulsing.streaming.news import News
from pulsing.streaming.ownership.catalogue import NOBODY, Catalogue, QueueSettings, bucket_key
from pulsing.streaming.ownership.exchange import MEETING_TIMEOUT_S, Ask, Exchange
from pulsing.streaming.ownership.folders import Folders
from pulsing.streaming.ownership.takeover import Takeover


class Keepers:
    """The files of this node and of the others.

    Args:
        catalogue: what this node knows.
        exchange: the other managers.
        folders: where this node's stores keep their files.
        ask: calls another manager.
        news: told when a bucket's files are away.
        wall: the time on the wall clock.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        exchange: Exchange,
        folders: Callable[[], Folders],
        ask: Ask,
        news: News,
        wall: Callable[[], float],
    ) -> None:
        self._catalogue = catalogue
        self._exchange = exchange
        self._folders = folders
        self._ask = ask
        self._news = news
        self._wall = wall
        self._away_since: dict[str, float] = {}

    async def owner(self, topic: str, bucket_id: int, settings: QueueSettings) -> int:
        """The owner of a bucket: where its files are, if it has any and its holder is gone.

        Raises:
            BucketUnavailable: no live node has the files, or one that may have them does not answer, and the queue is
                to wait for them.
        """
        key = bucket_key(topic, bucket_id)
        owner = self._exchange.owner(key)
        holding = self._catalogue.holding(key)
        takeover = Takeover.of(settings)
        if owner == holding.node_id or not takeover.is_file_based:
            return owner
        keepers, silent = await self._ask_for_files(topic, bucket_id, settings)
        if takeover.is_fresh:
            # A log that another one has taken the place of stays where it is, and nobody goes back to it.
            keepers = {node_id: epoch for node_id, epoch in keepers.items() if epoch >= holding.epoch}
        if keepers:
            latest = max(keepers.values())
            return self._catalogue.heir(key, [node_id for node_id, epoch in keepers.items() if epoch == latest])
        if takeover.is_fresh or (holding.node_id == NOBODY and not silent):
            return owner
        if key not in self._away_since:
            self._away_since[key] = self._wall()
            self._news.tell("queue.unavailable", topic, {"bucket_id": bucket_id})
        raise BucketUnavailable(topic, bucket_id, self._away_since[key])

    def is_back(self, key: str) -> None:
        """Note that a bucket is open again."""
        self._away_since.pop(key, None)

    async def find(self, topic: str, bucket_id: int, settings: QueueSettings) -> dict[int, int]:
        """The live nodes that have the files of a bucket, and the last epoch that each has seen."""
        return (await self._ask_for_files(topic, bucket_id, settings))[0]

    async def _ask_for_files(
        self, topic: str, bucket_id: int, settings: QueueSettings
    ) -> tuple[dict[int, int], list[int]]:
        """The same, and those that may have the files and do not answer."""
        asked = [node for node in self._exchange.live() if not self._has_none(node, topic, bucket_id, settings)]
        call = (topic, bucket_id, settings.backend, settings.storage_path)
        asking = (self._ask(node_id, "epoch_of_files", *call, timeout=MEETING_TIMEOUT_S) for node_id in asked)
        answers = dict(zip(asked, await asyncio.gather(*asking, return_exceptions=True), strict=True))
        keepers = {node_id: answer for node_id, answer in answers.items() if isinstance(answer, int)}
        return keepers, [node_id for node_id, answer in answers.items() if _is_silence(answer)]

    def _has_none(self, node_id: int, topic: str, bucket_id: int, settings: QueueSettings) -> bool:
        """Whether a node cannot have files of a bucket: it had nothing of the queue, and nobody has held it since.

        If somebody has begun a log of whom nobody has told, the others do not agree to another one.
        """
        is_first = self._catalogue.holding(bucket_key(topic, bucket_id)).epoch == 0
        # What lies outside the base is found only by looking there.
        return is_first and settings.storage_path is None and self._exchange.began_without(node_id, topic)

    def epoch_here(self, topic: str, bucket_id: int, settings: QueueSettings) -> int | None:
        """The last epoch that the files of a bucket on this node have seen; None if there are none."""
        folder = self._folders().of(topic, settings.storage_path)
        store = store_of(settings)
        return int(store.epoch_of(folder, bucket_id)) if store.exists(folder, bucket_id) else None

    def files_here(self, topic: str) -> set[int]:
        """The buckets of a queue whose files this node has."""
        settings = self._catalogue.settings(topic)
        if settings is None or not Takeover.of(settings).is_file_based:
            return set()
        folder, store = self._folders().of(topic, settings.storage_path), store_of(settings)
        return {bucket_id for bucket_id in range(settings.num_buckets or 0) if store.exists(folder, bucket_id)}

    def has_log_of(self, topic: str, bucket_id: int, settings: QueueSettings, epoch: int) -> bool:
        """Whether this node's files of a bucket are those of its last known owner, or of a later one."""
        found = self.epoch_here(topic, bucket_id, settings)
        return found is not None and found >= epoch

    def is_log_of_other(self, topic: str, bucket_id: int) -> bool:
        """Whether the new owner of a bucket has the log that this node had: a file that both reach, or a server's."""
        settings = self._catalogue.settings(topic) or QueueSettings()
        takeover = Takeover.of(settings)
        if takeover.is_shared or not takeover.is_file_based:
            return not takeover.is_fresh
        return self.has_log_of(topic, bucket_id, settings, self._catalogue.holding(bucket_key(topic, bucket_id)).epoch)


def _is_silence(answer: Any) -> bool:
    """Whether a node did not answer; one without a manager, or that cannot look for files of a store, has."""
    return isinstance(answer, PulsingRuntimeError) and not isinstance(answer, ActorNotFound)


def store_of(settings: QueueSettings) -> Any:
    """The class of a queue's stores."""
    return get_backend_class(settings.backend or "memory")


def place_of(folders: Folders, topic: str, settings: QueueSettings) -> str:
    """Where stores are told to keep a queue: in a folder; in a server by a name that is the same on all nodes."""
    if hasattr(store_of(settings), "settings_keeper"):
        return settings.storage_path or topic
    return folders.of(topic, settings.storage_path)
