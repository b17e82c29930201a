"""Which news is passed on next: the least told first, each a bounded number of times."""

from __future__ import annotations

from dataclasses import dataclass

from pulsing.cluster.member import wins
from pulsing.cluster.messages import Rumour


@dataclass(slots=True)
class _Item:
    rumour: Rumour
    age: int
    told: int = 0


class Rumours:
    """News that this node still passes on.

    There is one rumour about a member at a time, except that the accusations of different members against a suspect
    travel side by side: each of them shortens its trial.
    """

    def __init__(self) -> None:
        self._items: dict[tuple[int, int], _Item] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, rumour: Rumour) -> None:
        """Begin to pass a rumour on, in place of those that it outdates."""
        node_id = rumour.member.node_id
        for key, item in list(self._items.items()):
            if key[0] == node_id and wins(rumour.member, item.rumour.member):
                del self._items[key]
        self._count += 1
        accuser = rumour.by if rumour.member.status == "suspect" else 0
        self._items[node_id, accuser] = _Item(rumour, self._count)

    def take(self, limit: int, times: int) -> tuple[Rumour, ...]:
        """The rumours for one message: at most `limit`, each dropped once it was told `times` times."""
        chosen = sorted(self._items.items(), key=lambda kv: (kv[1].told, -kv[1].age))[:limit]
        for key, item in chosen:
            item.told += 1
            if item.told >= times:
                del self._items[key]
        return tuple(item.rumour for _, item in chosen)
