"""How the rows of several nodes about one thing become one row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Row = dict[str, Any]


def merge_by(rows: Iterable[Row], key: Callable[[Row], Any], combine: Callable[[Row, Row], Row]) -> list[Row]:
    """One row a key, the rows of equal keys combined in the order they come."""
    merged: dict[Any, Row] = {}
    for row in rows:
        name = key(row)
        merged[name] = combine(merged[name], row) if name in merged else row
    return list(merged.values())


def _sum(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


def _most(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else max(a, b)


def _least(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else min(a, b)


def _union(a: Any, b: Any) -> list[Any]:
    return sorted({*(a or ()), *(b or ())})


def _percentiles(a: Mapping[str, Any] | None, b: Mapping[str, Any] | None) -> dict[str, Any]:
    # Percentiles cannot be added; the worst node's are the honest upper bound.
    return {name: _most((a or {}).get(name), (b or {}).get(name)) for name in {*(a or {}), *(b or {})}}


def _sums(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _sum(a.get(name), b.get(name)) for name in {**a, **b}}


_STATES = ("ok", "degraded", "unavailable")


def _worst(a: Any, b: Any) -> Any:
    return max(a, b, key=lambda state: _STATES.index(state) if state in _STATES else 0)


def _combine(a: Row, b: Row, rules: Mapping[str, Callable[[Any, Any], Any]]) -> Row:
    known = {name: value for name, value in a.items() if value is not None}
    combined = {**b, **known}
    for name, rule in rules.items():
        if name in a or name in b:
            combined[name] = rule(a.get(name), b.get(name))
    return combined


_COUNTS = ("actors", "messages_total", "errors_total", "restarts_total", "long_turns_total", "streams_open")

COUNT_RULES: Mapping[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(
        ("actors", "messages_total", "errors_total", "restarts_total", "mailbox_messages", "handle_total_s"), _sum
    ),
    "by_state": _sums,
    "mailbox_max": _most,
}
CLASS_RULES: Mapping[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(_COUNTS, _sum),
    "nodes": _union,
    "spawnable": lambda a, b: bool(a or b),
    "handle_total_s": _sum,
    "handle_s": _percentiles,
}
QUEUE_RULES: Mapping[str, Callable[[Any, Any], Any]] = {
    **dict.fromkeys(
        ("records", "bytes", "unflushed", "put_total", "read_total", "max_lag", "open_buckets", "unavailable_buckets"),
        _sum,
    ),
    "oldest_at": _least,
    "oldest_s": _most,
    "oldest_unread_s": _most,
    "readers": _most,
    "groups": _most,
    "nodes": _union,
    "state": _worst,
    "bucket_rows": lambda a, b: sorted([*(a or ()), *(b or ())], key=lambda row: int(row["bucket_id"])),
    "reader_rows": lambda a, b: merge_readers([*(a or ()), *(b or ())]),
    "group_rows": lambda a, b: merge_groups([*(a or ()), *(b or ())]),
    "failures_total": lambda a, b: _sums(a or {}, b or {}),
}
TOPIC_RULES: Mapping[str, Callable[[Any, Any], Any]] = dict.fromkeys(
    (
        "subscribers",
        "slow_subscribers",
        "published_total",
        "delivered_total",
        "failed_total",
        "dropped_total",
        "bytes_total",
    ),
    _sum,
)
_READER_RULES: Mapping[str, Callable[[Any, Any], Any]] = {
    "buckets": _union,
    "offsets": lambda a, b: {**(a or {}), **(b or {})},
    "lag": _sum,
    "oldest_unread_s": _most,
    "last_read_at": _most,
    "waiting": lambda a, b: bool(a or b),
}

_GROUP_RULES: Mapping[str, Callable[[Any, Any], Any]] = {
    "members": _union,
    "buckets": lambda a, b: {**(a or {}), **(b or {})},
    "lag": _sum,
    "dead_records": _sum,
}


def numbers_of(rules: Mapping[str, Callable[[Any, Any], Any]]) -> tuple[str, ...]:
    """The fields that some rules add or compare as numbers."""
    return tuple(name for name, rule in rules.items() if rule in (_sum, _most))


def merge_classes(rows: Iterable[Row]) -> list[Row]:
    """One row a class."""
    listed = [{**row, "nodes": row.get("nodes") or [row["node"]]} if "node" in row else row for row in rows]
    return without_node(merge_by(listed, lambda row: row["class"], lambda a, b: _combine(a, b, CLASS_RULES)))


def merge_methods(rows: Iterable[Row]) -> list[Row]:
    """One row a method of a class, with an `id` to sort by."""
    merged = merge_by(rows, lambda row: (row["class"], row["method"]), lambda a, b: _combine(a, b, CLASS_RULES))
    return [{**row, "id": f"{row['class']}.{row['method']}"} for row in without_node(merged)]


def merge_counts(rows: Iterable[Row]) -> list[Row]:
    """One row of sums a key, in the order of the keys."""
    merged = merge_by(rows, lambda row: tuple(row["key"]), lambda a, b: _combine(a, b, COUNT_RULES))
    return sorted(merged, key=lambda row: tuple(row["key"]))


def merge_queues(rows: Iterable[Row]) -> list[Row]:
    """One row a queue, from what its nodes know of their buckets."""
    merged = merge_by(rows, lambda row: row["queue"], lambda a, b: _combine(a, b, QUEUE_RULES))
    return [_with_skew(row) for row in without_node(merged)]


def merge_topics(rows: Iterable[Row]) -> list[Row]:
    """One row a topic; while a broker moves, two nodes may speak of it."""
    return merge_by(rows, lambda row: row["topic"], lambda a, b: _combine(a, b, TOPIC_RULES))


def without_living(rows: Iterable[Row]) -> list[Row]:
    """The rows of agents, without names that are said to be gone and live on some node."""
    rows = list(rows)
    living = {row["name"] for row in rows if not row.get("gone")}
    return [row for row in rows if not row.get("gone") or row["name"] not in living]


def merge_readers(rows: Iterable[Row]) -> list[Row]:
    """One row a reader, from the buckets that remember it."""
    return merge_by(rows, lambda row: row["reader"], lambda a, b: _combine(a, b, _READER_RULES))


def merge_groups(rows: Iterable[Row]) -> list[Row]:
    """One row a consumer group, from the buckets that keep its offsets."""
    return merge_by(rows, lambda row: row["group"], lambda a, b: _combine(a, b, _GROUP_RULES))


def _with_skew(row: Row) -> Row:
    buckets = [bucket.get("records") or 0 for bucket in row.get("bucket_rows") or ()]
    mean = sum(buckets) / len(buckets) if buckets else 0
    return {**row, "skew": round(max(buckets) / mean, 3)} if mean else row


def without_node(rows: Iterable[Row]) -> list[Row]:
    """The rows of a list in which the answering node means nothing."""
    return [{name: value for name, value in row.items() if name != "node"} for row in rows]
