"""Which classes may be built from what another node sends.

A class travels under its wire name and is built only where it is registered, or where the owner of the registry
vouches for it (`fallback`); a name is never imported because a peer said so. Each system has a child of the default
registry, so that what a system adds stays its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, overload

from pulsing.modules import module_of
from pulsing.wire.shapes import Shape, shape_of

T = TypeVar("T")

FIRST_EXTENSION = 64
LAST_EXTENSION = 127


class Entry(NamedTuple):
    """One class as it travels."""

    name: str
    cls: type
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


class Extension(NamedTuple):
    """One kind of value that has a tag of its own, and whose meaning depends on the system that decodes it."""

    tag: int
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def wire_name(cls: type) -> str:
    """The name under which a class travels unless it was registered under another: `module:qualname`."""
    return f"{module_of(cls)}:{cls.__qualname__}"


class TypeRegistry:
    """Classes by wire name and wire names by class.

    Args:
        parent: where to look for what is not registered here.
    """

    def __init__(self, parent: TypeRegistry | None = None) -> None:
        self._parent = parent
        self._by_class: dict[type, Entry] = {}
        self._by_name: dict[str, Entry] = {}
        self._by_tag: dict[int, Extension] = {}
        self._extensions: dict[type, Extension] = {}
        self.fallback: Callable[[str], type | None] | None = None
        """Finds the class of a wire name that is not registered, among classes that are already here."""

    def child(self) -> TypeRegistry:
        """A registry that knows all that this one knows, now and later, and keeps its own additions to itself."""
        return TypeRegistry(self)

    @overload
    def register(
        self,
        cls: type[T],
        *,
        name: str | None = None,
        encode: Callable[[Any], Any] | None = None,
        decode: Callable[[Any], Any] | None = None,
    ) -> type[T]: ...
    @overload
    def register(
        self,
        cls: None = None,
        *,
        name: str | None = None,
        encode: Callable[[Any], Any] | None = None,
        decode: Callable[[Any], Any] | None = None,
    ) -> Callable[[type[T]], type[T]]: ...
    def register(
        self,
        cls: type[T] | None = None,
        *,
        name: str | None = None,
        encode: Callable[[Any], Any] | None = None,
        decode: Callable[[Any], Any] | None = None,
    ) -> type[T] | Callable[[type[T]], type[T]]:
        """Let a class travel between nodes; both ends must do it. Also a decorator, with or without arguments.

        Args:
            cls: the class. Dataclasses, enumerations, named tuples, pydantic and attrs classes need nothing more.
            name: its wire name; `module:qualname` by default.
            encode: object to a value made of sendable parts.
            decode: that value to an equal object.

        Returns:
            The class, unchanged.

        Raises:
            TypeError: the class does not describe its own fields, and `encode` and `decode` are not both given.
            ValueError: another class has the name.
        """
        if cls is None:
            return lambda decorated: self.register(decorated, name=name, encode=encode, decode=decode)
        if not isinstance(cls, type):
            raise TypeError(f"only classes can be registered, got {cls!r}")
        entry = Entry(name or wire_name(cls), cls, *_shape(cls, encode, decode))
        taken = self._named(entry.name)
        if taken is not None and taken.cls is not cls:
            raise ValueError(f"the wire name {entry.name!r} belongs to {taken.cls!r}")
        self._by_class[cls] = self._by_name[entry.name] = entry
        return cls

    def add_extension(
        self,
        tag: int,
        classes: type | tuple[type, ...],
        encode: Callable[[Any], Any],
        decode: Callable[[Any], Any],
    ) -> None:
        """Give values of some exact classes a tag of their own.

        Args:
            tag: 64 to 127; both ends must agree on its meaning.
            classes: the classes whose objects travel under it.
            encode: object to a value made of sendable parts.
            decode: that value to an object; may close over the system that receives it.

        Raises:
            ValueError: the tag is out of range or has a meaning already.
        """
        if not FIRST_EXTENSION <= tag <= LAST_EXTENSION:
            raise ValueError(f"tags of extensions lie between {FIRST_EXTENSION} and {LAST_EXTENSION}, got {tag}")
        if tag in self._by_tag:
            raise ValueError(f"tag {tag} has a meaning already")
        extension = self._by_tag[tag] = Extension(tag, encode, decode)
        for cls in classes if isinstance(classes, tuple) else (classes,):
            self._extensions[cls] = extension

    def extension_for(self, cls: type) -> Extension | None:
        """The extension under which objects of exactly this class travel."""
        own = self._extensions.get(cls)
        return own if own is not None or self._parent is None else self._parent.extension_for(cls)

    def extension(self, tag: int) -> Extension | None:
        """The extension of a tag."""
        own = self._by_tag.get(tag)
        return own if own is not None or self._parent is None else self._parent.extension(tag)

    def entry_for(self, cls: type) -> Entry | None:
        """How a class travels: as it was registered, else by its own description of its fields, else None."""
        entry = self._registered(cls)
        if entry is None and (shape := shape_of(cls)) is not None:
            entry = Entry(wire_name(cls), cls, *shape)
        return entry

    def entry(self, name: str) -> Entry | None:
        """The class of a wire name, if it is registered or the fallback vouches for it."""
        entry = self._named(name)
        return entry if entry is not None else self._vouched(name)

    def _registered(self, cls: type) -> Entry | None:
        own = self._by_class.get(cls)
        return own if own is not None or self._parent is None else self._parent._registered(cls)

    def _named(self, name: str) -> Entry | None:
        own = self._by_name.get(name)
        return own if own is not None or self._parent is None else self._parent._named(name)

    def _vouched(self, name: str) -> Entry | None:
        cls = self.fallback(name) if self.fallback is not None else None
        if cls is None:
            return None if self._parent is None else self._parent._vouched(name)
        entry = self.entry_for(cls)
        return entry if entry is not None and entry.name == name else None


def _shape(cls: type, encode: Callable[[Any], Any] | None, decode: Callable[[Any], Any] | None) -> Shape:
    if encode is not None and decode is not None:
        return Shape(encode, decode)
    shape = shape_of(cls) if encode is None and decode is None else None
    if shape is None:
        raise TypeError(f"{cls.__qualname__} needs both encode= and decode= to travel")
    return shape


default_registry = TypeRegistry()
"""The classes of this process, which every system knows."""

register_type = default_registry.register
