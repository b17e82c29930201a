"""Who watches whom, and what actors read from: for those who look at an actor, not for its work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from pulsing.core.actor import CURRENT
from pulsing.ids import ActorId

TOPIC = "topic"
QUEUE = "queue"


class Ties:
    """What the actors of one node have to do with others, as far as they began it in a turn of their own."""

    def __init__(self) -> None:
        self._watches: Counter[tuple[ActorId, ActorId]] = Counter()
        self._readers: WeakKeyDictionary[Any, tuple[ActorId, str, str]] = WeakKeyDictionary()
        self.subscribed_by_name: Callable[[ActorId], Iterable[str]] = lambda actor_id: ()
        """the topics whose broker on this node sends to an actor that was subscribed by its name"""

    def watched(self, actor_id: ActorId) -> Callable[[], None]:
        """Note that the actor whose turn it is watches another; returns what takes that back."""
        watcher = _current()
        if watcher is None:
            return lambda: None
        pair = watcher, actor_id
        self._watches[pair] += 1

        def take_back() -> None:
            self._watches[pair] -= 1
            if not self._watches[pair]:
                del self._watches[pair]

        return take_back

    def watchers(self, actor_id: ActorId) -> list[ActorId]:
        """The actors of this node that watch one."""
        return [watcher for watcher, watched in self._watches if watched == actor_id]

    def watching(self, actor_id: ActorId) -> list[ActorId]:
        """The actors, of whichever node, that one of this node watches."""
        return [watched for watcher, watched in self._watches if watcher == actor_id]

    def reads(self, reader: object, kind: str, name: str) -> None:
        """Note that the actor whose turn it is reads from a queue or a topic, until `reader` is gone or `forget`."""
        owner = _current()
        if owner is not None:
            self._readers[reader] = owner, kind, name

    def forget(self, reader: object) -> None:
        """A reader reads no longer."""
        self._readers.pop(reader, None)

    def read_by(self, actor_id: ActorId, kind: str) -> list[str]:
        """The names of the queues or topics that an actor of this node reads from."""
        # Readers may be made in other threads: the references are copied in one step.
        tied = (self._readers.get(reader) for ref in self._readers.keyrefs() if (reader := ref()) is not None)
        return sorted({one[2] for one in tied if one is not None and one[:2] == (actor_id, kind)})


def _current() -> ActorId | None:
    context = CURRENT.get()
    return None if context is None or context._cell.spec.internal else context.actor_id
