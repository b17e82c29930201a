"""How a node leaves: it opens nothing any more, and each of its buckets and brokers goes to one that stays."""

from __future__ import annotations

import asyncio

from pulsing.core.system import System
from pulsing.exceptions import NodeLeaving
from pulsing.logs import logger_of
from pulsing.streaming.news import News
from pulsing.streaming.ownership.catalogue import Catalogue, QueueSettings, Weight
from pulsing.streaming.ownership.exchange import Exchange
from pulsing.streaming.ownership.handover import HandOver
from pulsing.streaming.ownership.keepers import Keepers
from pulsing.streaming.ownership.opening import Opening
from pulsing.streaming.ownership.side import Side
from pulsing.streaming.ownership.takeover import Takeover

logger = logger_of("pulsing.streaming")


class Leaving:
    """The end of one node's holdings.

    Args:
        inner: the node.
        catalogue: what it knows.
        exchange: the other managers.
        keepers: who has the files of a bucket.
        side: of a partition.
        opening: what this node has open.
        hand_over: sends buckets and brokers to others.
        news: told what is lost.
        weight: a node's claim on a key.
    """

    def __init__(
        self,
        inner: System,
        catalogue: Catalogue,
        exchange: Exchange,
        keepers: Keepers,
        side: Side,
        opening: Opening,
        hand_over: HandOver,
        news: News,
        weight: Weight,
    ) -> None:
        self._inner = inner
        self._me = inner.node_id.id
        self._catalogue = catalogue
        self._exchange = exchange
        self._keepers = keepers
        self._side = side
        self._opening = opening
        self._hand_over = hand_over
        self._news = news
        self._weight = weight
        # A manager that is made while its node ends has its books read, and knows nothing by which to open a bucket.
        self._has_begun = inner.draining

    def check_staying(self) -> None:
        """Raise NodeLeaving if this node is to hold nothing more."""
        if self._has_begun:
            raise NodeLeaving(self._inner.node_id)

    async def give_all(self) -> None:
        """Give every bucket and broker of this node to another one; nobody loses anything by it."""
        self._has_begun = True
        if not self._anyone_stays():
            return
        buckets, topics = self._opening.buckets, self._opening.topics
        await asyncio.gather(*(self._give_bucket(*subject) for subject in list(buckets)))
        await asyncio.gather(*(self._hand_over.give_topic(topic, ref, self._heirs) for topic, ref in topics.items()))

    def _anyone_stays(self) -> bool:
        """Whether there is another node; nothing is lost to anybody when the last ones leave."""
        return any(node_id != self._me for node_id in self._exchange.live())

    async def _give_bucket(self, topic: str, bucket_id: int) -> None:
        ref = self._opening.buckets.pop((topic, bucket_id))
        takeover = Takeover.of(self._catalogue.settings(topic) or QueueSettings())
        went_well = await self._hand_over.give_bucket(topic, bucket_id, ref, self._heirs)
        if not went_well and takeover.is_fresh and not takeover.is_file_based and self._anyone_stays():
            self._news.lost(topic, bucket_id, "not_taken")
            logger.warning("queue %s: bucket %d is lost with this node: no other took it", topic, bucket_id)

    async def _heirs(self, topic: str, bucket_id: int, key: str) -> list[int]:
        """Who may take what this node has, the best first: with files, only nodes of the same disk."""
        settings = self._catalogue.settings(topic)
        nodes = self._exchange.live()
        if bucket_id >= 0 and settings is not None:
            takeover = Takeover.of(settings)
            if takeover.by_majority and not self._side.goes_on:
                return []  # with a new epoch it would count as much as what the majority has
            if takeover.is_file_based:
                nodes = list(await self._keepers.find(topic, bucket_id, settings))
        return sorted((n for n in nodes if n != self._me), key=lambda n: self._weight(key, n), reverse=True)
