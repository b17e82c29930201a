"""A bucket as training data: batches of rows by their fields, and who has consumed which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pulsing.streaming.backend import ConsumptionBackend, MemoryBackend, TensorBackend, build_batch_meta
from pulsing.streaming.backends.memory import Record


class TrainingRows:
    """What a bucket offers to those who train; the account of what was consumed lives with the process."""

    _backend: Any
    _backend_class: type
    put_total: int

    def __init__(self) -> None:
        self._consumed: dict[str, set[int]] = {}
        self._indexes: dict[str, int] = {}

    @property
    def next_offset(self) -> int:
        """The offset that the next record gets."""
        return 0 if self._backend is None else self._backend.total_count()

    async def put_tensor(self, data: Any, partition_id: str = "default", **kwargs: Any) -> dict[str, Any]:
        """Store rows of training data.

        Returns:
            `{"status": "ok"}`

        Raises:
            NotImplementedError: the store takes no such data.
        """
        if not isinstance(self._backend, TensorBackend):
            raise NotImplementedError(f"{self._backend_class.__name__} does not store tensors")
        before = self.next_offset
        await self._backend.put_tensor(data, partition_id=partition_id, **kwargs)
        self.put_total += self.next_offset - before
        return {"status": "ok"}

    async def get_meta(
        self,
        fields: Sequence[str],
        batch_size: int,
        task_name: str = "default",
        sampler: Any = None,
        **sampling_kwargs: Any,
    ) -> dict[str, Any]:
        """Describe a batch of rows that have all `fields` and that the task has not consumed; they are then consumed.

        Args:
            fields: columns that must be ready.
            batch_size: rows wanted.
            task_name: whose account is kept.
            sampler: its `sample(ready, batch_size, …)` gives the rows sampled and those consumed by that; by default
                the first rows.
        """
        backend = self._backend
        if isinstance(backend, TensorBackend) and not isinstance(backend, MemoryBackend):
            return await backend.get_meta(fields, batch_size, task_name, sampler, **sampling_kwargs)
        consumed = self._consumed.setdefault(task_name, set())
        ready = [index for index in await self._rows_with(fields) if index not in consumed]
        if sampler is None:
            sampled = taken = ready[:batch_size]
        else:
            sampled, taken = sampler.sample(ready, batch_size, **sampling_kwargs)
        await self.mark_consumed(task_name, taken)
        return build_batch_meta(sampled, fields)

    async def get_data(self, batch_meta: Mapping[str, Any], fields: Sequence[str] | None = None) -> list[Record]:
        """The rows that a batch describes, with the named columns only."""
        if isinstance(self._backend, TensorBackend):
            rows: list[Record] = await self._backend.get_data(batch_meta, fields)
            return rows
        indexes = batch_meta.get("global_indexes") or [sample["global_index"] for sample in batch_meta["samples"]]
        found = [row for index in indexes for row in await self._backend.get(1, index)]
        return found if fields is None else [{name: row[name] for name in fields if name in row} for row in found]

    async def mark_consumed(self, task_name: str, global_indexes: Sequence[int]) -> dict[str, Any]:
        """Note that a task has consumed rows."""
        self._consumed.setdefault(task_name, set()).update(global_indexes)
        if isinstance(self._backend, ConsumptionBackend):
            await self._backend.mark_consumed(task_name, list(global_indexes))
        return {"status": "ok"}

    async def reset_consumption(self, task_name: str) -> dict[str, Any]:
        """Forget what a task has consumed."""
        self._consumed.pop(task_name, None)
        if isinstance(self._backend, ConsumptionBackend):
            await self._backend.reset_consumption(task_name)
        return {"status": "ok"}

    async def clear(self, global_indexes: Sequence[int]) -> dict[str, Any]:
        """Remove rows; the others keep their indexes."""
        if not isinstance(self._backend, ConsumptionBackend):
            raise NotImplementedError(f"{self._backend_class.__name__} does not remove rows")
        await self._backend.clear(list(global_indexes))
        return {"status": "ok"}

    async def kv_register(self, key: str, global_index: int) -> dict[str, Any]:
        """Give a row a key."""
        self._indexes[key] = global_index
        return {"status": "ok"}

    async def kv_resolve(self, keys: Sequence[str]) -> dict[str, Any]:
        """The rows of keys.

        Returns:
            `{"indexes": […]}`, -1 for a key that nobody registered.
        """
        return {"indexes": [self._indexes.get(key, -1) for key in keys]}

    async def _rows_with(self, fields: Sequence[str]) -> list[int]:
        if isinstance(self._backend, MemoryBackend):
            return self._backend.rows_with(fields)
        if any(field.startswith("_") for field in fields):
            return []
        rows = await self._backend.get(self.next_offset, 0)
        return [index for index, row in enumerate(rows) if set(fields) <= row.keys()]
