"""Whether an answer of another node is one that lists can be made of.

A member that is broken, or lies, counts as one that did not answer: else one bad row would take a whole list from
whoever asks any of the others for it. Only what the plane computes with is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pulsing.admin import merging
from pulsing.core.statistics import LATENCY_BOUNDS

Check = Callable[[Any], bool]

_DEPTH = 16
_LARGEST = 1 << 64
"""Python refuses to write out very large whole numbers, and cannot add them to others."""


def is_credible(kind: str, value: Any, params: Mapping[str, Any]) -> bool:
    """Whether `value` may be the answer of a node that was asked for a `kind` of things with `params`."""
    if kind == "queue_messages":
        return not value or _message_page(value)
    if not _is_sound(value, _DEPTH):
        return False
    if kind == "actors" and params.get("bare"):
        return _bare_window(value)
    if kind in _LISTS:
        row = _LISTS[kind]
        return _all(row)(value) or (kind == "actors" and _window(value))
    if kind == "actor_counts":
        return _all(_counts)(value) and all(len(row["key"]) == len(params["by"]) for row in value)
    if kind == "history" and value:
        return _history(value) and len(value["series"]) == len(params["names"])
    return (not value and kind not in _ALWAYS) or _ONES.get(kind, _map)(value)


def _is_sound(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind is dict:
        return depth > 0 and all(type(key) is str and _is_sound(item, depth - 1) for key, item in value.items())
    if kind is list or kind is tuple:
        return depth > 0 and all(_is_sound(item, depth - 1) for item in value)
    return kind is not int or -_LARGEST < value < _LARGEST


# --- what fields hold ------------------------------------------------------------------------------------------------


def _map(value: Any) -> bool:
    return type(value) is dict


def _text(value: Any) -> bool:
    return type(value) is str


def _word(value: Any) -> bool:
    # It stands on a line of its own in a stream of events.
    return type(value) is str and value != "" and value.isprintable()


def _number(value: Any) -> bool:
    return value is None or type(value) in (int, float)


def _count(value: Any) -> bool:
    return type(value) is int


def _maybe(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _all(check: Check) -> Check:
    return lambda value: type(value) in (list, tuple) and all(map(check, value))


def _numbers_by_name(value: Any) -> bool:
    return _map(value) and all(map(_number, value.values()))


def _histogram(value: Any) -> bool:
    return _all(_number)(value) and None not in value and len(value) == len(LATENCY_BOUNDS) + 1


def _row(needed: Mapping[str, Check], *, numbers: tuple[str, ...] = (), others: Mapping[str, Check] = {}) -> Check:
    """A row that has the `needed` fields; of the `numbers` and the others each may be missing, or None."""
    optional = {**dict.fromkeys(numbers, _number), **{name: _maybe(check) for name, check in others.items()}}

    def check(row: Any) -> bool:
        return (
            _map(row)
            and all(name in row and fits(row[name]) for name, fits in needed.items())
            and all(fits(row[name]) for name, fits in optional.items() if name in row)
        )

    return check


# --- the rows of each kind -------------------------------------------------------------------------------------------

_TIMES = {"handle_s": _numbers_by_name, "wait_s": _numbers_by_name}
_ACTOR = _row({"id": _text, "class": _text, "state": _text}, others={"tags": _map})
_window = _row({"rows": _all(_ACTOR), "total": _count, "filtered": _count})
_bare_window = _row({"rows": _all(_row({"id": _text})), "total": _count, "filtered": _count})
_counts = _row(
    {"key": _all(_text)}, numbers=merging.numbers_of(merging.COUNT_RULES), others={"by_state": _numbers_by_name}
)
_QUEUE = _row(
    {"queue": _text},
    numbers=merging.numbers_of(merging.QUEUE_RULES),
    others={
        "nodes": _all(_text),
        "oldest_at": _text,
        "failures_total": _numbers_by_name,
        "bucket_rows": _all(_row({"bucket_id": _number}, numbers=("records",))),
        "reader_rows": _all(
            _row(
                {"reader": _text},
                numbers=("lag", "oldest_unread_s"),
                others={"buckets": _all(_number), "offsets": _map, "last_read_at": _text},
            )
        ),
        "group_rows": _all(
            _row({"group": _text}, numbers=("lag", "dead_records"), others={"members": _all(_text), "buckets": _map})
        ),
    },
)
_TOPIC = _row({"topic": _text}, numbers=merging.numbers_of(merging.TOPIC_RULES))
_LISTS: Mapping[str, Check] = {
    "actors": _ACTOR,
    "agents": _row({"id": _text, "name": _maybe(_text), "class": _text}, others={"tags": _map, "last_message": _map}),
    "checks": _map,
    "classes": _row({"class": _text}, numbers=merging.numbers_of(merging.CLASS_RULES), others=_TIMES),
    "dead_letters": _row({"id": _text, "at": _text}),
    "events": _row({"id": _text, "at": _text, "type": _word}),
    "links": _row({"id": _text}),
    "methods": _row({"class": _text, "method": _text}, numbers=merging.numbers_of(merging.CLASS_RULES), others=_TIMES),
    "queues": _QUEUE,
    "topics": _TOPIC,
}
_ALWAYS = ("node", "ties", "latency")
"""Kinds of which every node that answers has something to tell."""
_ONES: Mapping[str, Check] = {
    "actor": _row(
        {"id": _text, "class": _text, "state": _text, "kind": _text},
        others={
            "name": _text,
            "tags": _map,
            "methods": _all(_row({"name": _text})),
            "errors": _all(_map),
            "exit": _map,
            "last_messages": _all(_map),
            "watchers": _all(_text),
            "topics": _all(_text),
        },
    ),
    "class": _row({"methods": _all(_row({"name": _text}))}),
    "latency": _row({"handle": _histogram, "wait": _histogram, "handle_max_s": _number, "wait_max_s": _number}),
    "node": _row(
        {"id": _text},
        numbers=(
            *("actors", "messages_total", "errors_total", "restarts_total", "dead_letters_total"),
            *("mailbox_messages", "rss_bytes", "cpu_s_total"),
        ),
    ),
    "queue": _QUEUE,
    "ties": _row({"watchers": _all(_text), "topics": _all(_text)}),
    "topic": _TOPIC,
}
_message_page = _row(
    {"items": _all(_row({"bucket_id": _number, "offset": _number, "record": lambda value: True}))},
    numbers=("scanned",),
    others={"buckets": _map, "next_offset": _map},
)
_history = _row(
    {
        "step_s": _number,
        "start_at": _text,
        "series": _all(
            _row(
                {"name": _text, "kind": _text, "unit": _maybe(_text), "values": _all(_number)},
                others={"max": _all(_number)},
            )
        ),
    }
)
