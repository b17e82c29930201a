"""Rows of several nodes about one thing become one row."""

from __future__ import annotations

from typing import Any

from pulsing.admin.merging import merge_queues


def queue_on(node: str, bucket: str, lag: int, member: str) -> dict[str, Any]:
    group = {"group": "g", "members": [member], "buckets": {bucket: {"lag": lag}}, "lag": lag, "dead_records": 1}
    return {"queue": "jobs", "node": node, "records": 10, "group_rows": [group]}


def test_a_group_whose_buckets_lie_on_two_nodes_is_one_row() -> None:
    [merged] = merge_queues([queue_on("a", "0", 3, "left"), queue_on("b", "1", 4, "right")])
    assert merged["group_rows"] == [
        {
            "group": "g",
            "members": ["left", "right"],
            "buckets": {"0": {"lag": 3}, "1": {"lag": 4}},
            "lag": 7,
            "dead_records": 2,
        }
    ]
