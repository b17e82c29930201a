"""The storage manager of a node: opens the buckets and brokers that the node owns, and names the owners of others."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pulsing.core import ActorId, ActorProxy, ActorRef, remote
from pulsing.core.system import System
from pulsing.exceptions import NodeLeaving, PulsingError
from pulsing.logs import logger_of
from pulsing.modules import found_in
from pulsing.streaming.backend import backend_name
from pulsing.streaming.broker import TopicBroker
from pulsing.streaming.bucket_words import Moved
from pulsing.streaming.counters import StreamingCounters
from pulsing.streaming.names import broker_actor, bucket_actor, check_bucket, check_topic
from pulsing.streaming.news import News
from pulsing.streaming.ownership.catalogue import NOBODY, Catalogue, QueueSettings, bucket_key, home_key, topic_key
from pulsing.streaming.ownership.claims import Claim, Claims
from pulsing.streaming.ownership.closing import Closing
from pulsing.streaming.ownership.declarations import Declarations
from pulsing.streaming.ownership.exchange import MEETING_TIMEOUT_S, Exchange
from pulsing.streaming.ownership.folders import Folders
from pulsing.streaming.ownership.handover import HandOver
from pulsing.streaming.ownership.keepers import Keepers
from pulsing.streaming.ownership.leaving import Leaving
from pulsing.streaming.ownership.lookout import Lookout
from pulsing.streaming.ownership.notes import Notes
from pulsing.streaming.ownership.opening import Opening
from pulsing.streaming.ownership.remembering import Remembering
from pulsing.streaming.ownership.side import Side
from pulsing.streaming.ownership.takeover import Takeover, no_majority
from pulsing.streaming.storage import CALLS_AT_ONCE

__getattr__ = found_in("pulsing.streaming", "get_bucket_ref", "get_topic_broker")

logger = logger_of("pulsing.streaming")

STORAGE_MANAGER_NAME = "queue_storage_manager"
STORAGE_MANAGER_NUMBER = 3
"""The manager's number on every node: its id follows from the node's, before names have spread."""
SEED_PATIENCE_S = 5.0
"""How long a bucket that is asked for waits until this node knows whether it has started cut off."""


@remote(max_concurrency=CALLS_AT_ONCE)
class StorageManager:
    """Opens and finds buckets and brokers.

    Args:
        system: the node's system.
        base_storage_path: folder under which stores keep their files.
        default_backend: store of queues that name none.
    """

    def __init__(
        self, system: Any, base_storage_path: str = "./queue_storage", default_backend: str | type = "memory"
    ) -> None:
        self.system = system
        self.base_storage_path = base_storage_path
        self.default_backend = default_backend
        self._inner: System = getattr(system, "inner", system)
        self._me = self._inner.node_id.id
        self.catalogue = Catalogue(_weight)
        self.counters = StreamingCounters()
        self._news = News(self._inner)
        self._exchange = Exchange(self._inner, self.catalogue, self._ask, self.everything, self.learn)
        self._hand_over = HandOver(self._inner, self._ask)
        self._side = Side(self._inner, self._side_changed)
        self._claims = Claims(self._inner, self.catalogue, self._exchange, self._side, self._ask)
        self._lines: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """whoever opens a bucket, one after the other"""
        self._inner.handing_over.append(self.hand_over)
        self.folders = Folders(base_storage_path)
        self._keepers = Keepers(
            self.catalogue, self._exchange, lambda: self.folders, self._ask, self._news, self._inner.clock.wall
        )
        self._notes = Notes(self._inner, self.catalogue, lambda: self.folders)
        self._opening = Opening(
            self._inner,
            self.catalogue,
            self._exchange,
            self._keepers,
            lambda: self.folders,
            self.counters,
            self._news,
        )
        holdings = self._inner, self.catalogue, self._exchange, self._keepers
        self._closing = Closing(*holdings, self._opening, self._news)
        self._leaving = Leaving(*holdings, self._side, self._opening, self._hand_over, self._news, _weight)
        self.buckets = self._opening.buckets
        self.topics = self._opening.topics
        self._remembering = Remembering(lambda: self.folders)
        self._declarations = Declarations(
            self.catalogue, self._remembering, backend_name(default_backend), self._declared
        )
        self._lookout = Lookout(self._inner.tasks, self._declarations, self.lookup, self._wait_at_home)
        self.recall()

    def recall(self) -> None:
        """Take over what an earlier process on this node's disk knew of its queues."""
        for topic, settings in self.folders.remembered():
            self.catalogue.set_up(topic, settings)
            self.catalogue.recall(topic, self.folders.noted(self.folders.of(topic, settings.storage_path)))

    # --- buckets and topics ------------------------------------------------------------------------------------------

    async def get_bucket(
        self,
        topic: str,
        bucket_id: int,
        batch_size: int = 100,
        storage_path: str | None = None,
        backend: str | type | None = None,
        backend_options: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Open a bucket if this node owns it, else say who does.

        Returns:
            `{"_type": "BucketReady", "topic", "bucket_id", "actor_id", "node_id", "epoch"}`, or
            `{"_type": "Redirect", "topic", "bucket_id", "owner_node_id", "owner_addr", "epoch"}`; ids as decimal text.

        Raises:
            ValueError: the queue was set up otherwise, has no such bucket, or an argument makes no sense.
            NotOwner: this side of a partition may not take the bucket over.
        """
        topic = check_bucket(topic, bucket_id)
        await self._exchange.meet_all()
        key = bucket_key(topic, bucket_id)
        await self._hand_over.done_with(key)
        subject = {"topic": topic, "bucket_id": bucket_id}
        name = None if backend is None else backend_name(backend)
        asked = QueueSettings(None, None, name, backend_options, batch_size, storage_path)
        await self._hear_of(topic, asked)
        async with self._lines[key]:
            while True:
                self._declarations.check(topic, asked)
                self._declarations.check_bucket(topic, bucket_id)
                owner = await self._keepers.owner(topic, bucket_id, self.catalogue.settings(topic) or asked)
                if owner != self._me:
                    return self._redirect(subject, key, owner)
                ref = self.buckets.get((topic, bucket_id))
                if ref is None or _has_ended(ref):
                    self._leaving.check_staying()
                    if await self._opening.has_closed(bucket_actor(topic, bucket_id)):
                        continue
                    ref = await self._take_over(topic, bucket_id, self._declarations.fix_store(topic, asked))
                if ref is not None:
                    return self._ready("BucketReady", subject, key, ref)

    async def _hear_of(self, topic: str, asked: QueueSettings) -> None:
        """Learn how a queue was set up whose news is still under way: whoever opens a bucket says less of it."""
        home = self.home_of(topic)
        if await self._declarations.known(topic, asked) is not None or home == self._me:
            return
        with suppress(PulsingError):
            fields = await self._ask(home, "lookup", topic, timeout=MEETING_TIMEOUT_S)
            if fields is not None and self.catalogue.settings(topic) is None:
                self.catalogue.set_up(topic, QueueSettings.from_dict(fields))

    async def get_topic(self, topic: str) -> dict[str, Any]:
        """Open a topic's broker if this node owns it, else say who does.

        Returns:
            `{"_type": "TopicReady", "topic", "actor_id", "node_id", "epoch"}`, or a Redirect as of `get_bucket`.
        """
        topic = check_topic(topic)
        await self._exchange.meet_all()
        key = topic_key(topic)
        while True:
            owner = self.owner(key)
            if owner != self._me:
                return self._redirect({"topic": topic}, key, owner)
            ref = self.topics.get(topic)
            if ref is None or _has_ended(ref):
                self._leaving.check_staying()
                if await self._opening.has_closed(broker_actor(topic)):
                    continue
                ref = self._opening.topic(topic)
            return self._ready("TopicReady", {"topic": topic}, key, ref)

    async def list_buckets(self) -> list[dict[str, Any]]:
        """The buckets of this node: `{"topic", "bucket_id"}`."""
        return [{"topic": topic, "bucket_id": bucket_id} for topic, bucket_id in self.buckets]

    async def list_topics(self) -> list[str]:
        """The topics whose brokers are on this node."""
        return list(self.topics)

    async def get_stats(self) -> dict[str, Any]:
        """What this node holds: `{"node_id", "bucket_count", "topic_count", "buckets", "topics"}`."""
        return {
            "node_id": str(self._me),
            "bucket_count": len(self.buckets),
            "topic_count": len(self.topics),
            "buckets": await self.list_buckets(),
            "topics": await self.list_topics(),
        }

    def _ready(self, kind: str, subject: dict[str, Any], key: str, ref: ActorRef) -> dict[str, Any]:
        return {
            "_type": kind,
            **subject,
            "actor_id": str(ref.actor_id.id),
            "node_id": str(self._me),
            "epoch": self.catalogue.holding(key).epoch,
        }

    def _redirect(self, subject: dict[str, Any], key: str, owner: int) -> dict[str, Any]:
        self.counters.redirects += 1
        addresses = {member.node_id.id: member.addr for member in self._inner.members_view()}
        return {
            "_type": "Redirect",
            **subject,
            "owner_node_id": str(owner),
            "owner_addr": addresses.get(owner, ""),
            "epoch": self.catalogue.holding(key).epoch,
        }

    async def _take_over(
        self, topic: str, bucket_id: int, settings: QueueSettings, moved: Moved | None = None, given_by: int = NOBODY
    ) -> ActorRef | None:
        """Open a bucket here if the others agree, where they must; None if another node has it by now.

        Raises:
            NotOwner: this side of a partition may not take the bucket over.
        """
        takeover = Takeover.of(settings)
        begins = takeover.is_fresh or (
            takeover.is_file_based and self._keepers.epoch_here(topic, bucket_id, settings) is None
        )
        by_majority = takeover.by_majority or (begins and takeover.begins_by_majority)
        epoch: int | None = 0
        if by_majority and not await self._may_claim():
            raise no_majority(topic, bucket_id, self.catalogue.holding(bucket_key(topic, bucket_id)).epoch)
        if by_majority or begins:
            epoch = await self._claims.win(Claim(topic, bucket_id, given_by, by_majority))
            self._leaving.check_staying()
        return None if epoch is None else self._opening.bucket(topic, bucket_id, settings, epoch, moved)

    async def _may_claim(self) -> bool:
        """Whether this side goes on; a node that has just started waits for the answer of a seed to know."""
        deadline = self._inner.now() + SEED_PATIENCE_S
        while self._inner.may_be_cut_off() and self._inner.now() < deadline:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.02)
        return self._side.may_take_over() and not self._inner.may_be_cut_off()

    async def grant_bucket(
        self, topic: str, bucket_id: int, epoch: int, claimant: str, given_by: str, by_majority: bool
    ) -> tuple[bool, bool, list[int]]:
        """Vote on another node's claim of a bucket.

        Returns:
            Whether this node agrees; whether there may be nodes of whom it was told but never heard; and the holder of
            whom it knows, with its epoch.
        """
        claim = Claim(topic, bucket_id, int(given_by), by_majority)
        granted = self._claims.grant(claim, epoch, int(claimant))
        holding = self.catalogue.holding(claim.key)
        return granted, self._inner.may_lack_members(), [holding.epoch, holding.node_id]

    async def withdraw_claim(self, topic: str, bucket_id: int, claimant: str) -> None:
        """Hear that another node has given up to claim a bucket."""
        self._claims.withdraw(bucket_key(topic, bucket_id), int(claimant))

    async def epoch_of_files(self, topic: str, bucket_id: int, backend: str, storage_path: str | None) -> int | None:
        """The last epoch that the files of a bucket on this node have seen; None if there are none."""
        settings = QueueSettings(backend=backend, storage_path=storage_path)
        return self._keepers.epoch_here(topic, bucket_id, settings)

    # --- partitions --------------------------------------------------------------------------------------------------

    def _side_changed(self) -> None:
        if self._side.goes_on:
            self._inner.tasks.start(self._go_on(), "buckets go on")
        else:
            self._opening.let_write(False)

    async def _go_on(self) -> None:
        # Those of the other side may have taken over what this node has: that is to be heard first.
        await self._exchange.meet_all()
        if self._side.goes_on:
            self._opening.let_write(True)

    # --- leaving -----------------------------------------------------------------------------------------------------

    async def hand_over(self) -> None:
        """Give every bucket and broker of this node to another one; nobody loses anything by it."""
        self._notes.write()
        await self._leaving.give_all()

    async def receive_records(self, topic: str, bucket_id: int, part: list[bytes], is_first: bool) -> None:
        """Take a part of the records of a bucket that is to come here; `take_bucket` follows."""
        self._leaving.check_staying()
        self._hand_over.receive(topic, bucket_id, part, is_first)

    async def take_bucket(self, topic: str, bucket_id: int, about: dict[str, Any] | None) -> None:
        """Own a bucket from now on, whose owner leaves and has closed it.

        Args:
            topic: the queue.
            bucket_id: the bucket.
            about: what is to be known of a log whose records were sent; None where the store has them.
        """
        self._leaving.check_staying()
        settings = self.catalogue.settings(topic)
        if settings is None:
            raise ValueError(f"queue {topic!r} is not known here")
        moved = None if about is None else self._hand_over.received(topic, bucket_id, about)
        key = bucket_key(topic, bucket_id)
        async with self._lines[key]:
            giver = self.catalogue.holding(key).node_id
            if giver == self._me or await self._take_over(topic, bucket_id, settings, moved, giver) is None:
                raise no_majority(topic, bucket_id, self.catalogue.holding(key).epoch)

    async def take_topic(self, topic: str, subscriptions: list[dict[str, Any]]) -> None:
        """Be the broker of a topic from now on, whose node leaves."""
        self._leaving.check_staying()
        broker = self._opening.topic(topic).as_type(TopicBroker)
        for subscription in subscriptions:
            await broker.subscribe(**subscription)

    # --- how queues are set up ---------------------------------------------------------------------------------------

    async def declare(self, topic: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Fix the settings of a queue that is put into, unless they are fixed already; returns those that hold."""
        topic = check_topic(topic)
        settings = await self._fixed(topic, wanted)
        self._notes.used_here(topic, QueueSettings.from_dict(settings))
        return settings

    async def _fixed(self, topic: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        await self._exchange.meet_all()
        asked = QueueSettings.from_dict(wanted)
        known = await self._declarations.known(topic, asked)
        if known is not None and known.num_buckets is not None:
            return known.to_dict()
        home = self.home_of(topic)
        if home != self._me:
            settings: dict[str, Any] = await self._ask(home, "declare", topic, dict(wanted))
            return settings
        return (await self._declarations.fix(topic, asked)).to_dict()

    async def lookup(self, topic: str, wanted: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """The settings of a queue; None if nobody has put anything into it.

        Args:
            topic: the queue.
            wanted: how whoever asks would set it up, which may say where it is kept.
        """
        await self._exchange.meet_all()
        known = await self._declarations.known(topic, QueueSettings.from_dict(wanted or {}))
        home = self.home_of(topic)
        if known is None and home != self._me:
            fields = await self._ask(home, "lookup", topic)
            known = None if fields is None else QueueSettings.from_dict(fields)
        if known is None:
            return None
        self._notes.used_here(topic, known)
        return known.to_dict()

    async def wait_declared(self, topic: str, timeout: float) -> bool:
        """Wait until the queue is set up; False after `timeout` seconds."""
        if await self.lookup(topic) is not None:
            return True
        return await self._declarations.wait(topic, timeout)

    async def wait_set_up(self, topic: str, wanted: Mapping[str, Any], timeout: float) -> None:
        """Wait up to `timeout` seconds for whoever sets the queue up; `wanted` as of `lookup`."""
        await self._lookout.wait(topic, wanted, timeout)

    async def _wait_at_home(self, topic: str, timeout: float) -> None:
        home = self.home_of(topic)
        if home == self._me:
            await self._declarations.wait(topic, timeout)
        else:
            await self._ask(home, "wait_declared", topic, timeout, timeout=timeout + 10.0)

    async def existing_buckets(self, topic: str) -> list[int]:
        """The buckets of a queue that some live node holds, open or as files; all of one that lies in a server.

        Each node is asked, for its news may be under way.
        """
        await self._exchange.meet_all()
        nodes = self._exchange.holding()
        asked = (self._ask(node_id, "held_buckets", topic, timeout=MEETING_TIMEOUT_S) for node_id in nodes)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        told = {bucket_id for answer in answers if isinstance(answer, list) for bucket_id in answer}
        settings = self.catalogue.settings(topic)
        count = 0 if settings is None else settings.num_buckets or 0
        in_server = settings is not None and Takeover.of(settings).is_elsewhere
        known = {b for b in range(count) if in_server or self.catalogue.holding(bucket_key(topic, b)).node_id in nodes}
        return sorted(told | known)

    async def held_buckets(self, topic: str) -> list[int]:
        """The buckets of a queue that this node holds, also those that nobody has opened since it started."""
        is_open = {bucket_id for queue, bucket_id in self.buckets if queue == topic}
        return sorted(is_open | self._keepers.files_here(topic))

    async def has_topic(self, topic: str) -> bool:
        """Whether a live node has the broker of a topic."""
        await self._exchange.meet_all()
        return self.catalogue.holding(topic_key(topic)).node_id in self._exchange.holding()

    async def delete(self, topic: str) -> None:
        """Forget a queue's settings everywhere, and close its buckets."""
        settings = self.catalogue.settings(topic)
        if settings is None:
            return
        await self._remembering.forget(topic, settings)
        self.catalogue.set_up(topic, None)
        self._exchange.spread(queues=[topic])
        self._news.tell("queue.deleted", topic, {})
        await self._closing.deleted([topic])

    def _declared(self, topic: str, is_new: bool) -> None:
        self._opening.remember(topic)
        self._exchange.spread(queues=[topic])
        settings = self.catalogue.settings(topic)
        if is_new and settings is not None:
            self._news.tell("queue.created", topic, {"num_buckets": settings.num_buckets, "backend": settings.backend})

    # --- managers among themselves -----------------------------------------------------------------------------------

    async def exchange(self, node_id: str, news: Mapping[str, Any]) -> dict[str, Any]:
        """Take over all that another manager knows, and tell it all that this one knows."""
        answer = self.everything()
        await self.learn(news)
        self._exchange.meet(int(node_id), news)
        return answer

    def everything(self) -> dict[str, Any]:
        """All that this manager knows, in the form in which it travels."""
        return {**self.catalogue.everything(), "electorate": self._side.electorate()}

    async def learn(self, news: Mapping[str, Any]) -> None:
        """Take over what another manager tells, and give up what it turns out to own."""
        self._side.look()
        self._side.learn(set(news.get("electorate", ())))
        before = {topic: self.catalogue.settings(topic) for topic in news["queues"]}
        for key in self.catalogue.merge(news):
            await self._closing.give_up(key)
        await self._closing.deleted(news["queues"])
        for topic in news["queues"]:
            if self.catalogue.settings(topic) is not None:
                self._declarations.announce(topic)
            if self.catalogue.settings(topic) is not before[topic]:
                self._opening.remember(topic)

    def owner(self, key: str) -> int:
        """The node that owns a key, as far as this node knows."""
        return self._exchange.owner(key)

    def home_of(self, topic: str) -> int:
        """The node that fixes the settings of a queue."""
        return self.owner(home_key(topic))

    async def _ask(self, node_id: int, method: str, *args: Any, timeout: float = 30.0) -> Any:
        return await manager_ref(self._inner, node_id).request(method, args, None, timeout)


def manager_ref(system: Any, node_id: int | None = None) -> ActorRef:
    """A ref to the storage manager of a node; nothing is checked."""
    inner: System = getattr(system, "inner", system)
    node = inner.node_id.id if node_id is None else node_id
    return inner.bind(ActorId.of(node, STORAGE_MANAGER_NUMBER), f"actors/{STORAGE_MANAGER_NAME}")


def local_manager(system: Any, base_storage_path: str = "./queue_storage") -> Any:
    """The storage manager of this node itself, made on first use with the folder for files; for those who read its
    books.

    Raises:
        NodeLeaving: the node is about to end, and its manager has handed over what it had.
    """
    inner: System = getattr(system, "inner", system)
    cell = inner.registry.by_id(ActorId.of(inner.node_id.id, STORAGE_MANAGER_NUMBER))
    if cell is None:
        inner.check_running()
        if inner.draining:
            # Another one would know neither the folder nor that the node leaves, and take what nobody will find.
            raise NodeLeaving(inner.node_id)
        actor_class: Any = StorageManager
        cell = inner.start_actor(
            actor_class(inner.facade, base_storage_path),
            actor_class._spec,
            name=STORAGE_MANAGER_NAME,
            public=True,
            number=STORAGE_MANAGER_NUMBER,
        )
    return cell.actor


async def get_storage_manager(system: Any) -> ActorProxy:
    """The storage manager of this node, made on first use."""
    local_manager(system)
    return manager_ref(system).as_type(StorageManager)


async def ensure_storage_managers(system: Any) -> None:
    """Make sure of this node's storage manager; other nodes see to their own."""
    local_manager(system)


def _has_ended(ref: ActorRef) -> bool:
    return ref._cell is None or ref._cell.closed


def _weight(key: str, node_id: int) -> int:
    from pulsing.cluster.placement import weight

    return weight(key, node_id)
