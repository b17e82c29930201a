"""How much a store keeps, and what happens at the bound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from pulsing.exceptions import Overloaded

DROP_OLDEST = "drop_oldest"
REJECT = "reject"
BLOCK = "block"
OVERFLOWS = (DROP_OLDEST, REJECT, BLOCK)

_SLACK = 256
# Of a full store this share goes at once, so that dropping is paid for by many records, not by each.


class TooLarge(Overloaded):
    """What was put has no place in a bucket with these bounds, however empty it is. Nothing was stored."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of one bucket.

    Attributes:
        max_records: records kept; None for no bound.
        max_bytes: their size; None for no bound.
        max_age: seconds after which a record is dropped; None for never.
        overflow: at a bound, "drop_oldest" gives up the oldest records, "reject" raises Overloaded, and with "block"
            whoever puts waits for room.
    """

    max_records: int | None = None
    max_bytes: int | None = None
    max_age: float | None = None
    overflow: str = DROP_OLDEST

    def __post_init__(self) -> None:
        if self.overflow not in OVERFLOWS:
            raise ValueError(f"overflow is 'drop_oldest', 'reject' or 'block', not {self.overflow!r}")
        for name in ("max_records", "max_bytes", "max_age"):
            _check_bound(name, getattr(self, name))

    def check_fits(self, bucket_id: int, records: int, size: int, sizes: Iterable[int]) -> None:
        """Raise TooLarge for what is too much for an empty store; one that gives up the oldest can keep the rest.

        Args:
            bucket_id: the bucket.
            records: how many are put.
            size: their bytes.
            sizes: the bytes of each.
        """
        keeps_all = self.overflow != DROP_OLDEST
        if keeps_all and self.max_records is not None and records > self.max_records:
            raise TooLarge(f"bucket {bucket_id} (records)", self.max_records)
        if self.max_bytes is not None and size > self.max_bytes and (keeps_all or max(sizes) > self.max_bytes):
            raise TooLarge(f"bucket {bucket_id} (bytes)", self.max_bytes)

    def check_room(self, bucket_id: int, records: int, size: int) -> None:
        """Raise Overloaded if a store that gives nothing up cannot have so many records and bytes."""
        if self.overflow == DROP_OLDEST:
            return
        if self.max_records is not None and records > self.max_records:
            raise Overloaded(f"bucket {bucket_id} (records)", self.max_records)
        if self.max_bytes is not None and size > self.max_bytes:
            raise Overloaded(f"bucket {bucket_id} (bytes)", self.max_bytes)

    def makes_room(self, records: int, size: int) -> bool:
        """Whether a store that has so many records and bytes gives up its oldest ones."""
        return bool(self.excess_records(records) or self.excess_bytes(size))

    def excess_records(self, records: int) -> int:
        """How many of the oldest records have to go, for their number."""
        return _excess(records, self.max_records)

    def excess_bytes(self, size: int) -> int:
        """How many bytes of the oldest records have to go."""
        return _excess(size, self.max_bytes)


def _check_bound(name: str, bound: Any) -> None:
    kind, what = (Real, "number") if name == "max_age" else (Integral, "whole number")
    if bound is not None and (isinstance(bound, bool) or not isinstance(bound, kind) or not float(bound) > 0):
        raise ValueError(f"{name} is a positive {what}, got {bound!r}")


def _excess(have: int, bound: int | None) -> int:
    return 0 if bound is None or have <= bound else max(have - bound, bound // _SLACK)


def records_of_size(sizes: Iterable[int], wanted: int) -> int:
    """How many records, from the first on, have at least this size together."""
    count = 0
    for size in sizes:
        if wanted <= 0:
            break
        wanted -= size
        count += 1
    return count
