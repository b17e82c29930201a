"""How the names of every node reach every other: the writer announces a version, those who lack it pull the difference.

Announcements are small and may be lost; the versions are compared again in every push-pull, so a lost one costs
seconds and never a name. The names of a node go in one step with the node.

Others may say that a writer has news, but what they are is asked of the writer alone. A version says nothing of what
is in a map, so a lie under the number that the writer has, or comes to, would never be noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from pulsing.cluster.allowance import Allowance
from pulsing.cluster.events import NamesChanged, Send
from pulsing.cluster.messages import Delta, Pull, Versions, size_of
from pulsing.cluster.names import Change, Entry, NameMap

ANNOUNCE_AFTER_S = 0.005
ANNOUNCE_EVERY_S = 0.1
ANNOUNCE_TO = 64
"""Members told at once of a new version; in larger clusters the rest learns it from a push-pull."""
RETRY_S = 1.0
"""Between two pulls from a writer that does not answer, or that has them for no more than what others say."""
CHUNK_BYTES = 48 * 1024
PULLED_PER_S, MOST_PULLED = 10_000.0, 50_000.0
"""Changes that one node may pull, or all that are no members together: several large maps at once, but not for ever."""
STRANGERS = 0
MAX_NAMES = 10_000

Effect = Send | NamesChanged


@dataclass(slots=True)
class _Want:
    """News of somebody's map that are said to exist and not here yet."""

    ask_at: float
    """When the writer is asked, or asked again."""
    is_asked: bool = False
    whole: NameMap | None = None
    """The map under construction while it is sent as a whole."""


class Replication:
    """Keeps the name maps of all present nodes in step."""

    def __init__(self, own_id: int, random: Random, *, max_names: int = MAX_NAMES) -> None:
        self._own_id = own_id
        self._random = random
        self._max_names = max_names
        self._maps: dict[int, NameMap] = {own_id: NameMap()}
        self._wants: dict[int, _Want] = {}
        self._asked_at: dict[int, float] = {}
        self._pulled: dict[int, Allowance] = {}
        self._announce_at: float | None = None
        self._announced_at = float("-inf")

    @property
    def is_level(self) -> bool:
        """Whether every version that this node has heard of has arrived."""
        return not self._wants

    def names_of(self, node_id: int) -> dict[str, Entry]:
        """The names that are held of a node."""
        held = self._maps.get(node_id)
        return dict(held.entries()) if held else {}

    def version_of(self, node_id: int) -> int:
        """The version that is held of a node's map."""
        held = self._maps.get(node_id)
        return held.version if held else 0

    def next_deadline(self) -> float | None:
        """When an announcement or a repeated pull is due."""
        dues = [want.ask_at for want in self._wants.values()]
        if self._announce_at is not None:
            dues.append(self._announce_at)
        return min(dues, default=None)

    def write(self, path: str, entry: Entry | None, now: float) -> list[Effect]:
        """Give a path of this node an entry, or withdraw it."""
        change = self._maps[self._own_id].write(path, entry)
        self._announce_soon(now)
        return [NamesChanged(self._own_id, (change,))]

    def node_came(self, node_id: int, now: float) -> list[Effect]:
        """Begin to replicate a node's names."""
        if node_id in self._maps:
            return []
        self._maps[node_id] = NameMap()
        return self._ask(node_id, now)

    def node_went(self, node_id: int) -> list[Effect]:
        """Forget a node's names, all at once."""
        self._wants.pop(node_id, None)
        self._asked_at.pop(node_id, None)
        self._pulled.pop(node_id, None)
        held = self._maps.pop(node_id, None)
        if not held:
            return []
        return [NamesChanged(node_id, tuple(Change(held.version, path, None) for path, _ in held.entries()))]

    def compare(self, node_id: int) -> list[Effect]:
        """Tell a member which versions are held here, so that it can pull what it lacks."""
        versions = tuple((n, held.version) for n, held in self._maps.items() if held.version)
        return [Send(node_id, Versions(versions))] if versions else []

    def tick(self, now: float) -> list[Effect]:
        """Do what is due."""
        effects: list[Effect] = []
        if self._announce_at is not None and self._announce_at <= now:
            self._announce_at, self._announced_at = None, now
            news = Versions(((self._own_id, self._maps[self._own_id].version),))
            effects += [Send(n, news) for n in self._some_others()]
        for node_id, want in list(self._wants.items()):
            if want.ask_at <= now:
                effects += self._ask(node_id, now)
        return effects

    def receive(self, sender: int, message: Versions | Pull | Delta, now: float) -> list[Effect]:
        """Take a message of another member."""
        if isinstance(message, Versions):
            return self._heard_versions(sender, message.versions, now)
        if isinstance(message, Pull):
            return list(self._answer(sender, message, now))
        return self._heard_delta(sender, message, now)

    def _announce_soon(self, now: float) -> None:
        if self._announce_at is None and len(self._maps) > 1:
            self._announce_at = max(now + ANNOUNCE_AFTER_S, self._announced_at + ANNOUNCE_EVERY_S)

    def _some_others(self) -> list[int]:
        others = [n for n in self._maps if n != self._own_id]
        return others if len(others) <= ANNOUNCE_TO else self._random.sample(others, ANNOUNCE_TO)

    def _heard_versions(self, sender: int, versions: Iterable[tuple[int, int]], now: float) -> list[Effect]:
        effects: list[Effect] = []
        for node_id, version in versions:
            held = self._maps.get(node_id)
            if node_id == self._own_id or held is None or version <= held.version:
                continue
            want = self._wants.get(node_id)
            if want is not None and want.is_asked:
                continue
            ask_at = now if sender == node_id else self._asked_at[node_id] + RETRY_S
            if ask_at <= now:
                effects += self._ask(node_id, now)
            elif want is None:
                self._wants[node_id] = _Want(ask_at)
        return effects

    def _ask(self, writer: int, now: float) -> list[Effect]:
        self._asked_at[writer] = now
        self._wants[writer] = _Want(now + RETRY_S, is_asked=True)
        return [Send(writer, Pull(writer, self._maps[writer].version))]

    def _answer(self, sender: int, pull: Pull, now: float) -> Iterator[Effect]:
        if pull.node_id != self._own_id:
            return
        held = self._maps[self._own_id]
        whole = pull.since < held.floor
        since = 0 if whole else pull.since
        allowance = self._pulled.setdefault(
            sender if sender in self._maps else STRANGERS, Allowance(PULLED_PER_S, MOST_PULLED)
        )
        if not allowance.spend(1 + held.count_since(since), now):
            return
        parts = list(_in_chunks(held.since(since))) or [[]]
        for part in parts:
            last = part is parts[-1]
            upto = max(held.version, since) if last else part[-1].version
            yield Send(sender, Delta(pull.node_id, since, upto, whole, last, tuple(part)))
            since = upto

    def _heard_delta(self, sender: int, delta: Delta, now: float) -> list[Effect]:
        want = self._wants.get(delta.node_id)
        held = self._maps.get(delta.node_id)
        if sender != delta.node_id or want is None or held is None or not _is_ordered(delta):
            return []
        want.ask_at = now + RETRY_S
        changes = self._build_whole(delta, want, held) if delta.whole else self._apply(delta, held)
        if delta.last and self._maps[delta.node_id].version >= delta.upto:
            del self._wants[delta.node_id]
        return [NamesChanged(delta.node_id, tuple(changes))] if changes else []

    def _apply(self, delta: Delta, held: NameMap) -> list[Change]:
        if delta.since > held.version:
            return []
        news = [c for c in delta.changes if c.version > held.version]
        applied = [c for c in news if self._apply_one(held, c)]
        held.version = max(held.version, delta.upto)
        return applied

    def _apply_one(self, held: NameMap, change: Change) -> bool:
        if change.entry is not None and len(held) >= self._max_names and held.get(change.path) is None:
            return False
        held.apply(change)
        return True

    def _build_whole(self, delta: Delta, want: _Want, held: NameMap) -> list[Change]:
        if delta.since == 0:
            want.whole = NameMap()
        if want.whole is None or want.whole.version != delta.since:
            return []
        self._apply(delta, want.whole)
        if not delta.last or want.whole.version < held.version:
            return []
        fresh = self._maps[delta.node_id] = want.whole
        gone = [Change(fresh.version, path, None) for path, _ in held.entries() if fresh.get(path) is None]
        return gone + [Change(fresh.version, path, entry) for path, entry in fresh.entries()]


def _in_chunks(changes: Iterable[Change]) -> Iterator[list[Change]]:
    chunk: list[Change] = []
    size = 0
    for change in changes:
        length = size_of(change)
        if chunk and size + length > CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(change)
        size += length
    if chunk:
        yield chunk


def _is_ordered(delta: Delta) -> bool:
    versions = [delta.since, *(c.version for c in delta.changes)]
    return all(a < b for a, b in pairwise(versions)) and versions[-1] <= delta.upto
