"""How a node opens what is to be its own, a bucket's store or a topic's broker, and lets the others know."""

from __future__ import annotations

from collections.abc import Callable

from pulsing.core import ActorRef
from pulsing.core.registry import lookup_path
from pulsing.core.spawning import spawn_any
from pulsing.core.system import System
from pulsing.logs import logger_of
from pulsing.streaming.backends.writer import StoreThread
from pulsing.streaming.broker import TopicBroker
from pulsing.streaming.bucket_words import Moved
from pulsing.streaming.counters import StreamingCounters
from pulsing.streaming.groups.burial import bury
from pulsing.streaming.names import broker_actor, bucket_actor
from pulsing.streaming.news import News
from pulsing.streaming.ownership.catalogue import NOBODY, Catalogue, QueueSettings, bucket_key, topic_key
from pulsing.streaming.ownership.exchange import Exchange
from pulsing.streaming.ownership.folders import Folders
from pulsing.streaming.ownership.keepers import Keepers, place_of, store_of
from pulsing.streaming.ownership.takeover import Takeover
from pulsing.streaming.storage import BucketStorage

logger = logger_of("pulsing.streaming")


class Opening:
    """Opens the buckets and brokers of one node.

    Args:
        inner: the node.
        catalogue: what it knows.
        exchange: the other managers.
        keepers: who has the files of a bucket.
        folders: where this node's stores keep their files.
        counters: the node's figures.
        news: told what happens.
    """

    def __init__(
        self,
        inner: System,
        catalogue: Catalogue,
        exchange: Exchange,
        keepers: Keepers,
        folders: Callable[[], Folders],
        counters: StreamingCounters,
        news: News,
    ) -> None:
        self.buckets: dict[tuple[str, int], ActorRef] = {}
        """those that this node has"""
        self.topics: dict[str, ActorRef] = {}
        """the brokers that this node has"""
        self.store_thread = StoreThread()
        self._inner = inner
        self._me = inner.node_id.id
        self._catalogue = catalogue
        self._exchange = exchange
        self._keepers = keepers
        self._folders = folders
        self._counters = counters
        self._news = news

    def bucket(
        self, topic: str, bucket_id: int, settings: QueueSettings, epoch: int, moved: Moved | None = None
    ) -> ActorRef:
        """Open a bucket here, with an epoch that was won, or the next where the store itself refuses a second owner."""
        key = bucket_key(topic, bucket_id)
        before = self._catalogue.holding(key)
        holding = self._catalogue.take(key, self._me, epoch - 1)
        takeover = Takeover.of(settings)
        folder = place_of(self._folders(), topic, settings)
        begins_anew = moved is None and takeover.is_fresh
        if takeover.is_file_based:
            self._folders().check(folder)
            begins_anew = begins_anew and not self._keepers.has_log_of(topic, bucket_id, settings, before.epoch)
            if begins_anew:
                store_of(settings).set_aside(folder, bucket_id)
            self._folders().remember(folder, topic, settings)
        storage = BucketStorage(
            bucket_id,
            folder,
            settings.batch_size,
            settings.backend or "memory",
            settings.backend_options or {},
            topic=topic,
            generation=holding.epoch if moved is None else moved[0]["generation"],
            lineage=self._inner.random.getrandbits(62) + 1 if moved is None else moved[0]["lineage"],
            epoch=holding.epoch,
            moved=moved,
            clock=self._inner.clock,
            thread=self.store_thread,
            bury=lambda record: bury(self._inner, topic, settings, record),
            may_lack=lambda following: self._news.lost(topic, bucket_id, "owner_died", following),
            fenced_off=lambda: self._fenced_off(topic, bucket_id),
            next_epoch=lambda seen: self._later_epoch(key, seen),
            counters=self._counters,
        )
        ref = spawn_any(self._inner, storage, name=bucket_actor(topic, bucket_id), public=True, options={})
        self.buckets[topic, bucket_id] = ref
        self._keepers.is_back(key)
        self._exchange.start_watching()
        self._exchange.spread(keys=[key])
        if before.node_id != NOBODY:
            self._news.moved(topic, bucket_id, before.node_id, holding.epoch)
            if begins_anew:
                self._news.lost(topic, bucket_id, "owner_died")
                text = "queue %s: bucket %d begins anew as generation %d: its owner is gone"
                logger.warning(text, topic, bucket_id, holding.epoch)
        return ref

    async def has_closed(self, name: str) -> bool:
        """Wait until the last actor of a bucket or broker that is none of this node's any more has ended.

        Args:
            name: of the actor; the next one gets the same.

        Returns:
            Whether there was one, so that somebody else may have opened the next by now.
        """
        cell = self._inner.registry.by_path(lookup_path(name))
        if cell is None or not cell.spec.internal:
            return False
        await close(cell.ref)
        return True

    def remember(self, topic: str) -> None:
        """Note beside a queue's files here what a put has fixed since its buckets were opened."""
        settings = self._catalogue.settings(topic)
        is_here = any(queue == topic for queue, _ in self.buckets)
        if is_here and settings is not None and Takeover.of(settings).is_file_based:
            folders = self._folders()
            folders.remember(place_of(folders, topic, settings), topic, settings)

    def _later_epoch(self, key: str, seen: int) -> int:
        """An epoch for a bucket whose store has seen an owner of whom nobody here has heard."""
        holding = self._catalogue.take(key, self._me, seen)
        self._exchange.spread(keys=[key])
        return holding.epoch

    def _fenced_off(self, topic: str, bucket_id: int) -> None:
        """Close a bucket to which another owner has written, or whose file failed: who asks next finds it, or opens it.

        Where the other died before its news came, nobody else would ever do so.
        """
        ref = self.buckets.pop((topic, bucket_id), None)
        if ref is not None:
            self._inner.tasks.start(close(ref), f"close bucket {bucket_id} of {topic}")

    def let_write(self, allowed: bool) -> None:
        """Let the buckets that need a majority take records, or not."""
        for (topic, bucket_id), ref in self.buckets.items():
            bucket = None if ref._cell is None else ref._cell.actor
            if bucket is None or not Takeover.of(self._catalogue.settings(topic) or QueueSettings()).by_majority:
                continue
            if bucket.may_write and not allowed:
                self._news.tell("queue.stale", topic, {"bucket_id": bucket_id})
            bucket.may_write = allowed

    def topic(self, topic: str) -> ActorRef:
        """Open a topic's broker here."""
        key = topic_key(topic)
        broker = TopicBroker(topic, self._inner, self._counters)
        ref = spawn_any(self._inner, broker, name=broker_actor(topic), public=True, options={})
        first = self._catalogue.holding(key).epoch == 0
        self._catalogue.take(key, self._me)
        self.topics[topic] = ref
        self._exchange.start_watching()
        self._exchange.spread(keys=[key])
        if first:
            self._news.tell("topic.created", topic, {}, kind="topic")
        return ref


async def close(ref: ActorRef) -> None:
    """End a bucket or broker of this node; reads that wait in it end now, and their callers look where it is."""
    cell = ref._cell
    if cell is not None:
        if isinstance(cell.actor, BucketStorage):
            cell.actor.end_waits()
        await cell.stop()
