"""The names and actors of one node: the grammar of names, who holds which, and who waits for one to appear."""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pulsing.exceptions import NameTaken
from pulsing.ids import ActorId, NodeId

if TYPE_CHECKING:
    from pulsing.core.cell import Cell
    from pulsing.core.life import Life

NAME_LIMIT = 256
"""Longest name in bytes of UTF-8."""

SYSTEM_PREFIX = "system/"

_ASCII_SEGMENT = re.compile(r"[A-Za-z0-9_.\-]+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_\-]+")


def check_name(name: str, what: str = "name") -> str:
    """Return `name` in NFC if it follows the grammar of names.

    Segments of ASCII letters, digits, `_`, `.`, `-` and letters of other scripts, joined by `/`; no segment `.` or
    `..`; at most 256 bytes.

    Raises:
        ValueError: shows the name and the rule that it breaks.
    """
    if not isinstance(name, str):
        raise ValueError(f"a {what} is text, got {name!r}")
    name = unicodedata.normalize("NFC", name)
    shown = ascii(name if len(name) <= 80 else name[:80] + "…")
    if not name:
        raise ValueError(f"a {what} cannot be empty")
    if len(name.encode("utf-8", "surrogatepass")) > NAME_LIMIT:
        raise ValueError(f"{what} {shown} is longer than {NAME_LIMIT} bytes")
    for segment in name.split("/"):
        if segment in ("", ".", ".."):
            raise ValueError(f"{what} {shown} has a segment {segment!r}; segments are joined by single slashes")
        if not _ASCII_SEGMENT.fullmatch(segment) and not all(map(_allowed, segment)):
            raise ValueError(f"{what} {shown} may hold letters, digits, '_', '.', '-' and '/' only")
    return name


def _allowed(character: str) -> bool:
    return bool(_ASCII_SEGMENT.fullmatch(character)) or unicodedata.category(character).startswith("L")


def actor_path(name: str, *, internal: bool = False) -> str:
    """The path of an actor's name: a bare name stands under `actors/`.

    Raises:
        ValueError: the name breaks the grammar, or is reserved for the system.
    """
    if isinstance(name, str) and len(name) < 200 and _PLAIN_NAME.fullmatch(name):
        return "actors/" + name
    name = check_name(name)
    if name.startswith(SYSTEM_PREFIX) and not internal:
        raise ValueError(f"name {name!r} is reserved: names under 'system/' belong to Pulsing")
    return check_name(name if "/" in name else f"actors/{name}")


def lookup_path(name: str) -> str:
    """The path that `resolve` looks for; system actors may be looked up by anybody."""
    return actor_path(name, internal=True)


@dataclass(frozen=True, slots=True)
class Instance:
    """One live actor behind a name."""

    path: str
    actor_id: ActorId
    node_id: NodeId
    info: Mapping[str, Any] = field(default_factory=dict)
    """class, module, file of the actor and what else its node tells of it"""
    leaving: bool = False
    """its node takes no new work"""


class NameService(Protocol):
    """The public names of the whole cluster, as a node sees them."""

    def publish(self, instance: Instance) -> None:
        """Make a name of this node known."""
        ...

    def withdraw(self, path: str, actor_id: ActorId) -> None:
        """Take a name of this node back."""
        ...

    def instances(self, path: str) -> list[Instance]:
        """The live instances behind a name, here and elsewhere."""
        ...

    def paths(self) -> list[str]:
        """Every public name."""
        ...

    async def wait_for(self, path: str, timeout: float) -> bool:
        """Wait until the name has an instance; False when `timeout` seconds passed without one."""
        ...


class LocalNames:
    """The name service of a node without a cluster."""

    def __init__(self) -> None:
        self._instances: dict[str, dict[ActorId, Instance]] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def publish(self, instance: Instance) -> None:
        self._instances.setdefault(instance.path, {})[instance.actor_id] = instance
        for waiter in self._waiting.pop(instance.path, ()):
            if not waiter.done():
                waiter.set_result(None)

    def withdraw(self, path: str, actor_id: ActorId) -> None:
        holders = self._instances.get(path)
        if holders is not None and actor_id in holders:
            del holders[actor_id]
            if not holders:
                del self._instances[path]

    def instances(self, path: str) -> list[Instance]:
        return list(self._instances.get(path, {}).values())

    def paths(self) -> list[str]:
        return list(self._instances)

    async def wait_for(self, path: str, timeout: float) -> bool:
        if path in self._instances:
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(path, []).append(waiter)
        try:
            await asyncio.wait_for(waiter, timeout)
        except asyncio.TimeoutError:
            return False
        finally:
            line = self._waiting.get(path)
            if line is not None and waiter in line:
                line.remove(waiter)
                if not line:
                    del self._waiting[path]
        return True


class Registry:
    """The live actors of one node, by id and by name."""

    def __init__(self, node_id: NodeId) -> None:
        self._node_id = node_id
        self._by_id: dict[int, Cell] = {}
        self._by_path: dict[str, Cell] = {}
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}

    def check_free(self, path: str) -> None:
        """Raise NameTaken if an actor of this node has the name."""
        if path in self._by_path:
            raise NameTaken(path, self._node_id)

    def add(self, cell: Cell) -> None:
        """Take an actor in, and wake those who wait for its name.

        Raises:
            NameTaken: an actor of this node has the name.
        """
        if cell.path is not None:
            self.check_free(cell.path)
            self._by_path[cell.path] = cell
            for waiter in self._waiting.pop(cell.path, ()):
                waiter.set_result(None)
        self._by_id[cell.actor_id.id] = cell

    def remove(self, cell: Life) -> None:
        """Forget an actor, but for its name, which may be free before that."""
        self._by_id.pop(cell.actor_id.id, None)

    def free_name(self, cell: Life) -> None:
        """Give the name back; the actor may still be ending."""
        if cell.path is not None and self._by_path.get(cell.path) is cell:
            del self._by_path[cell.path]

    async def wait_for(self, path: str) -> None:
        """Wait until an actor of this node takes the name."""
        waiter = asyncio.get_running_loop().create_future()
        line = self._waiting.setdefault(path, [])
        line.append(waiter)
        try:
            await waiter
        finally:
            if waiter in line:
                line.remove(waiter)
            if not line and self._waiting.get(path) is line:
                del self._waiting[path]

    def by_id(self, actor_id: ActorId) -> Cell | None:
        """The actor with an id, None where there is none."""
        return self._by_id.get(actor_id.id)

    def by_path(self, path: str) -> Cell | None:
        """The actor whose name has a path, None where there is none."""
        return self._by_path.get(path)

    def find(self, actor: str) -> Cell | None:
        """The actor that people mean by the text of an id, a path or a bare name; None for what is none of these."""
        try:
            return self.by_id(ActorId.from_str(actor)) if ":" in actor else self.by_path(lookup_path(actor))
        except ValueError:
            return None

    def __iter__(self) -> Iterator[Cell]:
        return iter(list(self._by_id.values()))

    def __len__(self) -> int:
        return len(self._by_id)
