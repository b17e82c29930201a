"""How a node closes what it has open and is no longer its own: another node has it, or its queue was deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from pulsing.core.system import System
from pulsing.streaming.news import News
from pulsing.streaming.ownership.catalogue import NOBODY, Catalogue, bucket_key, topic_key
from pulsing.streaming.ownership.exchange import Exchange
from pulsing.streaming.ownership.keepers import Keepers
from pulsing.streaming.ownership.opening import Opening, close


class Closing:
    """Closes buckets and brokers of one node.

    Args:
        inner: the node.
        catalogue: what it knows.
        exchange: the other managers.
        keepers: whose log is where.
        opening: what this node has open.
        news: told what is lost.
    """

    def __init__(
        self,
        inner: System,
        catalogue: Catalogue,
        exchange: Exchange,
        keepers: Keepers,
        opening: Opening,
        news: News,
    ) -> None:
        self._me = inner.node_id.id
        self._catalogue = catalogue
        self._exchange = exchange
        self._keepers = keepers
        self._buckets = opening.buckets
        self._topics = opening.topics
        self._news = news

    async def give_up(self, key: str) -> None:
        """Close what is behind a key, unless this node holds it."""
        if self._catalogue.holding(key).node_id == self._me:
            return
        for subject, ref in list(self._buckets.items()):
            if bucket_key(*subject) == key:
                del self._buckets[subject]
                if not self._keepers.is_log_of_other(*subject):
                    self._news.lost(*subject, "owner_died")
                await close(ref)
        for topic, ref in list(self._topics.items()):
            if topic_key(topic) == key:
                del self._topics[topic]
                await close(ref)

    async def deleted(self, queues: Iterable[str]) -> None:
        """Close the buckets of those queues that are not there any more; what is away is nobody's from now on."""
        gone = {name for name in queues if self._catalogue.settings(name) is None}
        closing = {subject: ref for subject, ref in self._buckets.items() if subject[0] in gone}
        for subject in closing:
            del self._buckets[subject]
        given_up = [bucket_key(*subject) for subject in closing] + self._away(gone)
        for key in given_up:
            self._catalogue.take(key, NOBODY)
        self._exchange.spread(keys=given_up)
        await asyncio.gather(*map(close, closing.values()))

    def _away(self, gone: set[str]) -> list[str]:
        """The keys of deleted queues' buckets whose holders are dead or have left: nobody else can give them up."""
        here = {NOBODY, *self._exchange.holding()}
        return [
            bucket_key(queue, bucket_id)
            for queue in gone
            for bucket_id, holding in self._catalogue.holdings_of(queue).items()
            if holding.node_id not in here
        ]
