"""Names for nodes and actors that no two processes can share.

A node id is 64 bits, random at each process start. An actor id is 128 bits with its node in the high half, so
that an id alone is enough to find the actor from anywhere in the cluster.
"""

from __future__ import annotations

import re
import secrets

_HEX_PAIR = re.compile(r"([0-9a-fA-F]{16}):([0-9a-fA-F]{16})")
_HEX_32 = re.compile(r"[0-9a-fA-F]{32}")
_DASHED_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DECIMAL = re.compile(r"[0-9]{1,39}")

_NODE_LIMIT = 1 << 64
_ACTOR_LIMIT = 1 << 128


class NodeId:
    """Identity of one process in the cluster: 64 bits, new at each start. Zero stands for "this node"."""

    __slots__ = ("id",)

    id: int

    def __init__(self, id: int | None = None) -> None:
        """Wrap `id`, or draw a random one.

        Raises:
            ValueError: `id` is not an integer of 64 bits.
        """
        if id is None:
            id = secrets.randbits(64) or 1
        elif isinstance(id, bool) or not isinstance(id, int) or not 0 <= id < _NODE_LIMIT:
            raise ValueError(f"a node id is an integer of 64 bits, got {id!r}")
        object.__setattr__(self, "id", id)

    @classmethod
    def generate(cls) -> NodeId:
        """Draw a random id."""
        return cls()

    @classmethod
    def local(cls) -> NodeId:
        """The id that stands for "this node"."""
        return cls(0)

    @classmethod
    def from_str(cls, text: str) -> NodeId:
        """Read the 16 hexadecimal digits that `str()` writes.

        Raises:
            ValueError: the text is something else.
        """
        if not re.fullmatch(r"[0-9a-fA-F]{16}", text):
            raise ValueError(f"Invalid NodeId format: {text!r}")
        return cls(int(text, 16))

    def is_local(self) -> bool:
        """Whether this is the id that stands for "this node"."""
        return self.id == 0

    def uuid(self) -> str:
        """The id as 16 hexadecimal digits."""
        return f"{self.id:016x}"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a NodeId cannot be changed")

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, NodeId) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return f"{self.id:016x}"

    def __repr__(self) -> str:
        return f"NodeId({self.id:016x})"

    def __reduce__(self) -> tuple[type[NodeId], tuple[int]]:
        return NodeId, (self.id,)


class ActorId:
    """Identity of one actor: its node in the high 64 bits, a number of that node in the low ones."""

    __slots__ = ("id",)

    id: int

    def __init__(self, id: int | None = None) -> None:
        """Wrap `id`, or draw a random one.

        Raises:
            ValueError: `id` is not an integer of 128 bits.
        """
        if id is None:
            id = secrets.randbits(128)
        elif isinstance(id, bool) or not isinstance(id, int) or not 0 <= id < _ACTOR_LIMIT:
            raise ValueError(f"an actor id is an integer of 128 bits, got {id!r}")
        object.__setattr__(self, "id", id)

    @classmethod
    def generate(cls) -> ActorId:
        """Draw a random id."""
        return cls()

    @classmethod
    def of(cls, node_id: int, local_id: int) -> ActorId:
        """The id of actor number `local_id` on node `node_id`."""
        return cls((node_id << 64) | local_id)

    @classmethod
    def from_str(cls, text: str) -> ActorId:
        """Read `<16 hex>:<16 hex>`, 32 hexadecimal digits, a dashed UUID, or a decimal number.

        Thirty-two digits are read as hexadecimal.

        Raises:
            ValueError: the text is none of these.
        """
        if pair := _HEX_PAIR.fullmatch(text):
            return cls.of(int(pair[1], 16), int(pair[2], 16))
        if _HEX_32.fullmatch(text) or _DASHED_UUID.fullmatch(text):
            return cls(int(text.replace("-", ""), 16))
        if _DECIMAL.fullmatch(text) and int(text) < _ACTOR_LIMIT:
            return cls(int(text))
        raise ValueError(f"Invalid ActorId format: {text!r}")

    @property
    def node_id(self) -> NodeId:
        """The node on which the actor was made."""
        return NodeId(self.id >> 64)

    @property
    def local_id(self) -> int:
        """The actor's number on its node."""
        return self.id & (_NODE_LIMIT - 1)

    def uuid(self) -> str:
        """The id as 32 hexadecimal digits."""
        return f"{self.id:032x}"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("an ActorId cannot be changed")

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, ActorId) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __str__(self) -> str:
        return f"{self.id >> 64:016x}:{self.id & (_NODE_LIMIT - 1):016x}"

    def __repr__(self) -> str:
        return f"ActorId({self})"

    def __reduce__(self) -> tuple[type[ActorId], tuple[int]]:
        return ActorId, (self.id,)
