"""The names of one node as a map with versions: one writer, any number of replicas, brought level by differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

NO_METADATA: Mapping[str, Any] = MappingProxyType({})
REMEMBERED_WITHDRAWALS = 4096


@dataclass(frozen=True, slots=True)
class Entry:
    """What a name stands for on one node."""

    actor_id: int
    """The whole 128-bit id."""
    class_name: str = ""
    module: str = ""
    file: str = ""
    public: bool = True
    metadata: Mapping[str, Any] = field(default_factory=lambda: NO_METADATA, hash=False)
    """Small and JSON-able, such as an agent's card."""


@dataclass(frozen=True, slots=True)
class Change:
    """A path got an entry, or lost it, as the writer's change number `version`."""

    version: int
    path: str
    entry: Entry | None


class NameMap:
    """Paths of one node, each with the version of its last change.

    Withdrawn paths are remembered for a while, so that a replica that is a little behind can be told of them; one
    that is further behind than `floor` needs the whole map.
    """

    def __init__(self) -> None:
        self.version = 0
        self.floor = 0
        self._changes: dict[str, Change] = {}
        self._withdrawn = 0

    def __len__(self) -> int:
        return len(self._changes) - self._withdrawn

    def get(self, path: str) -> Entry | None:
        """The entry of a path, None when it has none."""
        change = self._changes.get(path)
        return change.entry if change else None

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """All paths that have an entry."""
        return ((c.path, c.entry) for c in self._changes.values() if c.entry is not None)

    def write(self, path: str, entry: Entry | None) -> Change:
        """Make the next change; only the writer does."""
        change = Change(self.version + 1, path, entry)
        self.apply(change)
        return change

    def apply(self, change: Change) -> None:
        """Take over a change of the writer; changes must come in the order of their versions."""
        before = self._changes.pop(change.path, None)
        self._withdrawn += (change.entry is None) - (before is not None and before.entry is None)
        self._changes[change.path] = change
        self.version = max(self.version, change.version)
        if self._withdrawn > REMEMBERED_WITHDRAWALS:
            self._forget_older_withdrawals()

    def since(self, version: int) -> list[Change]:
        """What has to be applied, in order, to a replica that stands at `version` (not below `floor`)."""
        newest_first = []
        for change in reversed(self._changes.values()):
            if change.version <= version:
                break
            newest_first.append(change)
        return newest_first[::-1]

    def count_since(self, version: int) -> int:
        """At the most how many changes `since` would return."""
        return min(len(self._changes), max(0, self.version - version))

    def _forget_older_withdrawals(self) -> None:
        withdrawn = [c for c in self._changes.values() if c.entry is None]
        for change in withdrawn[: len(withdrawn) // 2]:
            del self._changes[change.path]
            self.floor = change.version
            self._withdrawn -= 1
