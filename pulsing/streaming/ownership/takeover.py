"""What becomes of a bucket whose owner is gone: whether another node may take it over, and by whose leave.

These are options of the store, beside those that it is made with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pulsing.exceptions import NotOwner
from pulsing.streaming.backend import get_backend_class
from pulsing.streaming.backends.bounds import BLOCK, DROP_OLDEST
from pulsing.streaming.ownership.catalogue import QueueSettings

WAIT = "wait"
FRESH = "fresh"
SHARED = "shared"
FAILOVERS = (WAIT, FRESH, SHARED)

MAJORITY = "majority"
OFF = "off"
QUORUMS = (MAJORITY, OFF)
QUORUM = "quorum"


def check_failover(failover: str) -> str:
    """Raise ValueError for a word that says nothing."""
    if failover not in FAILOVERS:
        raise ValueError(f"failover is 'wait', 'fresh' or 'shared', not {failover!r}")
    return failover


def check_quorum(options: Mapping[str, Any] | None) -> None:
    """Raise ValueError if the options of a store have a `quorum` that says nothing."""
    quorum = (options or {}).get(QUORUM, MAJORITY)
    if quorum not in QUORUMS:
        raise ValueError(f"quorum is 'majority' or 'off', not {quorum!r}")


def store_options(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options that a store is made with."""
    return {name: value for name, value in (options or {}).items() if name != QUORUM}


def shares_calls(settings: QueueSettings) -> bool:
    """Whether single records may go into a queue together: worth it by the store, and no put waits for room."""
    store = get_backend_class(settings.backend or "memory")
    overflow = (settings.backend_options or {}).get("overflow", DROP_OLDEST)
    return bool(getattr(store, "shares_commits", False)) and overflow != BLOCK


@dataclass(frozen=True, slots=True)
class Takeover:
    """How a queue's buckets may be taken over."""

    is_file_based: bool
    """the records are on the disk of one node"""
    is_fresh: bool
    """a new owner begins with an empty log, and what was in the old one is lost to readers"""
    is_shared: bool
    """a new owner goes on with the files of the old one"""
    by_majority: bool
    """only the side of a partition that has the majority may take over and write"""
    begins_by_majority: bool
    """only that side may begin a log"""
    is_elsewhere: bool
    """the records are in a server that any node may reach"""

    @property
    def waits(self) -> bool:
        """Whether nobody else may take a bucket over: its records are where its files are."""
        return self.is_file_based and not self.is_fresh and not self.is_shared

    @classmethod
    def of(cls, settings: QueueSettings) -> Takeover:
        """How it is for a queue with these settings."""
        store = get_backend_class(settings.backend or "memory")
        options = settings.backend_options or {}
        is_file_based = bool(getattr(store, "file_based", False))
        failover = options.get("failover", WAIT) if is_file_based else WAIT
        is_shared = failover == SHARED
        is_fresh = failover == FRESH or not getattr(store, "durable", False)
        # A server or a lock on a file allows one writer without that anybody counts members.
        has_quorum = options.get(QUORUM, MAJORITY) == MAJORITY
        by_majority = (is_fresh or is_shared) and has_quorum
        begins_by_majority = (is_fresh or is_file_based) and has_quorum
        return cls(
            is_file_based, is_fresh, is_shared, by_majority, begins_by_majority, not is_file_based and not is_fresh
        )


def no_majority(topic: str, bucket_id: int, epoch: int) -> NotOwner:
    """What is said to those who want to write on a side of a partition that does not go on."""
    resource = f"bucket {bucket_id} of {topic}"
    return NotOwner(resource, None, epoch, f"{resource}: this side of the partition lacks the majority")
