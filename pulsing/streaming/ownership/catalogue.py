"""What a node knows of queues and their places: how each queue was set up, and who holds which bucket and broker.

Pure knowledge, merged from any side in any order with the same end. A holder keeps what it holds when nodes come;
only when it has gone does the key fall to the node that rendezvous hashing names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pulsing.core.preview import without_logins

NOBODY = 0

Weight = Callable[[str, int], int]


class Holding(NamedTuple):
    """Who has a bucket or a broker."""

    epoch: int
    """rises by one with each new holder"""
    node_id: int
    """0 for nobody"""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """What the first put fixes; None where it has not been fixed yet, or where there is no opinion."""

    num_buckets: int | None = None
    bucket_column: str | None = None
    backend: str | None = None
    backend_options: Mapping[str, Any] | None = None
    batch_size: int = 100
    storage_path: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The settings as they travel."""
        return {
            "num_buckets": self.num_buckets,
            "bucket_column": self.bucket_column,
            "backend": self.backend,
            "backend_options": None if self.backend_options is None else dict(self.backend_options),
            "batch_size": self.batch_size,
            "storage_path": self.storage_path,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> QueueSettings:
        """Read what `to_dict` made."""
        return cls(**fields)

    def difference(self, asked: QueueSettings) -> str | None:
        """How what is asked for contradicts these settings; None if it does not."""
        for name in ("num_buckets", "bucket_column", "backend", "backend_options"):
            fixed, wanted = getattr(self, name), getattr(asked, name)
            if fixed is not None and wanted is not None and fixed != wanted:
                return without_logins(f"{name}={fixed!r}, not {wanted!r}")
        return None


class QueueDiffers(ValueError):
    """The queue was set up otherwise; says both values."""

    def __init__(self, queue: str, difference: str) -> None:
        super().__init__(f"queue {queue!r} has {difference}")
        self.queue = queue
        self.difference = difference


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A queue's settings with the number of times that they were set; None once it was deleted."""

    version: int
    settings: QueueSettings | None


class Catalogue:
    """What this node knows.

    Args:
        weight: a node's claim on a key, as of rendezvous hashing.
    """

    def __init__(self, weight: Weight) -> None:
        self._weight = weight
        self._queues: dict[str, QueueEntry] = {}
        self._holdings: dict[str, Holding] = {}
        self.on_holding: Callable[[str], None] = lambda key: None
        """Called with each key of which something new is known."""

    def settings(self, queue: str) -> QueueSettings | None:
        """How a queue was set up; None for one that is not known, or was deleted."""
        entry = self._queues.get(queue)
        return None if entry is None else entry.settings

    def queues(self) -> list[str]:
        """The queues that there are."""
        return [name for name, entry in self._queues.items() if entry.settings is not None]

    def set_up(self, queue: str, settings: QueueSettings | None) -> None:
        """Note the settings of a queue, or with None that it was deleted."""
        entry = self._queues.get(queue)
        self._queues[queue] = QueueEntry(1 if entry is None else entry.version + 1, settings)

    def holding(self, key: str) -> Holding:
        """Who was the last known holder of a key."""
        return self._holdings.get(key, Holding(0, NOBODY))

    def holdings_of(self, queue: str) -> dict[int, Holding]:
        """The last known holder of each bucket of a queue that anybody has ever had."""
        settings = self.settings(queue)
        if settings is not None and settings.num_buckets is not None:
            buckets: Iterable[int] = range(settings.num_buckets)
        else:  # it was deleted, or buckets were opened by themselves, before the first put
            buckets = [int(key.rpartition("_")[2]) for key in self._holdings if queue_of(key) == queue]
        found = {bucket_id: self._holdings.get(bucket_key(queue, bucket_id)) for bucket_id in buckets}
        return {bucket_id: holding for bucket_id, holding in found.items() if holding is not None}

    def recall(self, queue: str, holdings: Mapping[int, Holding]) -> None:
        """Take over what was noted of a queue's buckets before this node started."""
        noted = {bucket_key(queue, bucket_id): [*one] for bucket_id, one in holdings.items()}
        self.merge({"queues": {}, "holdings": noted})

    def take(self, key: str, node_id: int, seen: int = 0) -> Holding:
        """Give a key to a node, with an epoch above those known here, and above the last that a store has seen."""
        holding = self._holdings[key] = Holding(max(self.holding(key).epoch, seen) + 1, node_id)
        self.on_holding(key)
        return holding

    def owner(self, key: str, live: Sequence[int], holding: Sequence[int] = ()) -> int:
        """Who owns a key: its holder, else the live node with the highest weight.

        Args:
            key: of a bucket, a broker or a queue's settings.
            live: the nodes that may take it.
            holding: further nodes that keep what they hold.
        """
        holder = self.holding(key).node_id
        return holder if holder in live or holder in holding else self.heir(key, live)

    def heir(self, key: str, live: Sequence[int]) -> int:
        """Who takes a key when its holder is gone."""
        return live[0] if len(live) == 1 else max(live, key=lambda node: self._weight(key, node))

    def news(self, queues: Iterable[str] = (), keys: Iterable[str] = ()) -> dict[str, Any]:
        """Part of the knowledge in the form in which it travels."""
        return {
            "queues": {name: self._entry_out(self._queues[name]) for name in queues},
            "holdings": {key: [self._holdings[key].epoch, self._holdings[key].node_id] for key in keys},
        }

    def everything(self) -> dict[str, Any]:
        """All of it in the form in which it travels."""
        return self.news(self._queues, self._holdings)

    def merge(self, news: Mapping[str, Any]) -> set[str]:
        """Take over what is newer; returns the keys whose holder changed by it."""
        for name, (version, settings) in news["queues"].items():
            entry = QueueEntry(version, None if settings is None else QueueSettings.from_dict(settings))
            if name not in self._queues or _age(entry) > _age(self._queues[name]):
                self._queues[name] = entry
        changed = set()
        for key, (epoch, node_id) in news["holdings"].items():
            known, told = self.holding(key), Holding(epoch, node_id)
            if self._rank(key, told) > self._rank(key, known):
                self._holdings[key] = told
                self.on_holding(key)
                if told.node_id != known.node_id:
                    changed.add(key)
        return changed

    def _rank(self, key: str, holding: Holding) -> tuple[int, int]:
        # Two nodes that could not see each other may both have taken a key: all must agree who keeps it.
        return holding.epoch, self._weight(key, holding.node_id)

    def _entry_out(self, entry: QueueEntry) -> list[Any]:
        return [entry.version, None if entry.settings is None else entry.settings.to_dict()]


def _age(entry: QueueEntry) -> tuple[int, bool, str]:
    """Of two entries of one version the greater one holds: what a first put has fixed, before what an opening has."""
    if entry.settings is None:
        return entry.version, True, ""
    settings = json.dumps(entry.settings.to_dict(), sort_keys=True, default=repr)
    return entry.version, entry.settings.num_buckets is not None, settings


def bucket_key(queue: str, bucket_id: int) -> str:
    """The key of a bucket for placement."""
    return f"{queue}:bucket_{bucket_id}"


def queue_of(key: str) -> str | None:
    """The queue of a bucket's key; None for another key."""
    queue, _, number = key.rpartition(":bucket_")
    return queue if number.isdigit() else None


def topic_key(topic: str) -> str:
    """The key of a topic's broker for placement."""
    return _apart(f"topic:{topic}")


def dead_queue(name: str) -> str:
    """The queue for the records that the groups of a queue could not get done, by its name; or its folder, by that."""
    return f"{name}.dead"


def home_key(queue: str) -> str:
    """The key of the node that fixes a queue's settings."""
    return _apart(f"queue:{queue}")


def _apart(key: str) -> str:
    """The key, changed if it would be that of a bucket too: of a queue that is called `topic` or `queue`."""
    return key if queue_of(key) is None else key.replace(":", ":/")
