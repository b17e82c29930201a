"""What a bucket keeps its records in: the protocols that a store fulfils, and the stores known by name.

A store needs the seven methods of `StorageBackend` and nothing else; what it offers beyond them is found by
`isinstance` on the optional protocols.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, runtime_checkable

from pulsing.streaming.backends.memory import MemoryBackend
from pulsing.streaming.names import check_own

Record = dict[str, Any]


@runtime_checkable
class StorageBackend(Protocol):
    """A log of records, numbered from 0. Being this is a matter of having the methods, not of inheriting."""

    async def put(self, record: Record) -> None:
        """Append one record; it is readable, and as durable as the store promises, on return."""
        ...

    async def put_batch(self, records: list[Record]) -> None:
        """Append records in their order."""
        ...

    async def get(self, limit: int, offset: int) -> list[Record]:
        """Up to `limit` records from `offset` on, without waiting; beyond the end, none."""
        ...

    def get_stream(
        self, limit: int, offset: int, wait: bool = False, timeout: float | None = None
    ) -> AsyncIterator[list[Record]]:
        """Lists of up to 100 records as they come.

        Ends after `limit` records; without `wait`, at the end of the log; with it, after `timeout` seconds in which
        nothing came (None for never, 0 for not waiting).
        """
        ...

    async def flush(self) -> None:
        """Make durable what was put before."""
        ...

    async def stats(self) -> dict[str, Any]:
        """Figures to show to people."""
        ...

    def total_count(self) -> int:
        """The offset that the next record gets; does no I/O."""
        ...


@runtime_checkable
class TensorBackend(Protocol):
    """A store that hands out rows as training data."""

    async def put_tensor(self, data: Any, **kwargs: Any) -> Any: ...

    async def get_data(self, batch_meta: Mapping[str, Any], fields: Sequence[str] | None = None) -> Any: ...

    async def get_meta(
        self,
        fields: Sequence[str],
        batch_size: int,
        task_name: str = "default",
        sampler: Any = None,
        **sampling_kwargs: Any,
    ) -> dict[str, Any]: ...


@runtime_checkable
class ConsumptionBackend(Protocol):
    """A store that finds rows by index, removes them, and may keep account of who consumed which."""

    async def mark_consumed(self, task_name: str, global_indexes: Sequence[int]) -> None: ...

    async def reset_consumption(self, task_name: str) -> None: ...

    async def clear(self, global_indexes: Sequence[int]) -> None: ...

    async def get_by_indices(self, indexes: Sequence[int]) -> list[Record]: ...


@runtime_checkable
class ManageableBackend(Protocol):
    """A store whose old records can be given up. Offsets stay: none is used again, none changes."""

    async def bounds(self) -> dict[str, int]:
        """`{"earliest", "next", "records", "bytes"}`."""
        ...

    async def trim(self, before_offset: int) -> int:
        """Remove records below an offset; returns how many."""
        ...

    async def clear_all(self) -> int:
        """Remove every record; returns how many."""
        ...

    async def destroy(self) -> None:
        """Remove the store itself."""
        ...


@runtime_checkable
class CommittingBackend(Protocol):
    """A store that keeps how far consumer groups have acknowledged, as durably as it keeps records.

    Over another store the bucket's actor keeps it, and forgets it with its process.
    """

    async def committed(self) -> dict[str, int]:
        """The committed offset of every group."""
        ...

    async def commit(self, group: str, offset: int | None) -> None:
        """Keep the committed offset of a group; None forgets the group."""
        ...


_BUILT_IN: Mapping[str, str] = {
    "memory": "pulsing.streaming.backends.memory:MemoryBackend",
    "sqlite": "pulsing.streaming.backends.sqlite:SqliteBackend",
    "redis": "pulsing.streaming.backends.redis:RedisBackend",
}
"""Loaded when used: sqlite3 and the codec cost time that a program with memory queues need not pay."""
_registered: dict[str, type] = {}


def register_backend(name: str, backend_class: type) -> None:
    """Make a store known by name in this process; replaces an earlier one, and wins over a built-in of that name.

    Raises:
        ValueError: the name breaks the grammar of names, or is reserved.
        TypeError: `backend_class` is not a class.
    """
    name = check_own(name, "backend")
    if not isinstance(backend_class, type):
        raise TypeError(f"backend_class must be a class, got {type(backend_class).__name__}")
    _registered[name] = backend_class


def get_backend_class(backend: str | type) -> type:
    """The class of a store; a class is its own.

    Raises:
        ValueError: no store has the name.
    """
    if isinstance(backend, type):
        return backend
    found = _registered.get(backend) or _built_in(backend)
    if found is None:
        raise ValueError(
            f"Unknown backend: {backend}. Available: {list_backends()}. Use register_backend() to add custom backends."
        )
    return found


def _built_in(name: str) -> type | None:
    if name not in _BUILT_IN:
        return None
    if name == "redis" and find_spec("redis") is None:
        raise ImportError("backend 'redis' needs its extra: pip install 'pulsing[redis]'")
    return load_built_in(name)


def load_built_in(name: str) -> type:
    """The class of a store that comes with the package, whether or not what it needs is installed."""
    module, _, class_name = _BUILT_IN[name].partition(":")
    cls: type = getattr(import_module(module), class_name)
    return cls


def list_backends() -> list[str]:
    """Names of the stores: the built-in ones, then those that were registered."""
    return [*_BUILT_IN, *(name for name in _registered if name not in _BUILT_IN)]


def backend_name(backend: str | type) -> str:
    """The name under which a store travels to other nodes; a class that was passed is registered by its own name.

    Raises:
        ValueError: no store has the name.
        TypeError: the class lacks a method of `StorageBackend`.
    """
    cls = get_backend_class(backend)
    missing = [name for name in _METHODS if not callable(getattr(cls, name, None))]
    if missing:
        raise TypeError(f"backend {cls.__name__} lacks {', '.join(missing)}")
    if isinstance(backend, str):
        return backend
    for name, known in [*_registered.items(), *_BUILT_IN.items()]:
        if known in (cls, f"{cls.__module__}:{cls.__qualname__}"):
            return name
    register_backend(cls.__name__, cls)
    return cls.__name__


_METHODS = ("put", "put_batch", "get", "get_stream", "flush", "stats", "total_count")


def check_options(backend: str | type, batch_size: int, options: Mapping[str, Any]) -> None:
    """Find out whether a store can be made with these options, before a queue is set up with them.

    One of our own stores is made for that and dropped, which does no I/O; of a user's class only the arguments are
    looked at.

    Raises:
        TypeError: the store's class does not take them, or one of them is for the bucket to say.
        ValueError: the value of one makes no sense.
    """
    cls = get_backend_class(backend)
    arguments: dict[str, Any] = {"bucket_id": 0, "storage_path": "", "batch_size": batch_size}
    if said := sorted(arguments.keys() & options.keys()):
        raise TypeError(f"backend {cls.__name__} gets {', '.join(said)} from its bucket: no option of the store")
    arguments.update(options)
    try:
        inspect.signature(cls).bind(**arguments)
    except TypeError as error:
        raise TypeError(f"backend {cls.__name__} cannot be made with these options: {error}") from error
    if f"{cls.__module__}:{cls.__qualname__}" in _BUILT_IN.values():
        cls(**arguments)


def build_batch_meta(sampled: Iterable[int], fields: Iterable[str], partition_id: str = "default") -> dict[str, Any]:
    """Describe a batch of rows, all of whose `fields` are ready."""
    indexes = list(sampled)
    columns = list(fields)
    return {
        "samples": [
            {
                "partition_id": partition_id,
                "global_index": index,
                "fields": {
                    field: {"name": field, "dtype": None, "shape": None, "production_status": "ready"}
                    for field in columns
                },
            }
            for index in indexes
        ],
        "global_indexes": indexes,
    }


__all__ = [
    "CommittingBackend",
    "ConsumptionBackend",
    "ManageableBackend",
    "MemoryBackend",
    "StorageBackend",
    "TensorBackend",
    "build_batch_meta",
    "get_backend_class",
    "list_backends",
    "register_backend",
]
