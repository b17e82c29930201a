"""What happens to queues and topics on this node, as events for operators."""

from __future__ import annotations

from typing import Any

from pulsing.core.system import System


class News:
    """The events of one node's queues and topics.

    Args:
        inner: the node.
    """

    def __init__(self, inner: System) -> None:
        self._inner = inner

    def tell(self, type: str, name: str, data: dict[str, Any], kind: str = "queue") -> None:
        """Publish an event of a queue or topic."""
        self._inner.events.publish(type, kind=kind, id=name, name=name, data=data)

    def moved(self, topic: str, bucket_id: int, before: int, epoch: int) -> None:
        """A bucket has come here from another node."""
        moved = {"bucket_id": bucket_id, "from": f"{before:016x}", "to": str(self._inner.node_id), "epoch": epoch}
        self.tell("queue.bucket_moved", topic, moved)

    def lost(self, topic: str, bucket_id: int, reason: str, first: int | None = None) -> None:
        """Records of a bucket are gone, from an offset on or, with None, nobody knows which."""
        lost = {"bucket_id": bucket_id, "reason": reason, "first": first, "last": None}
        self.tell("queue.data_lost", topic, lost)
