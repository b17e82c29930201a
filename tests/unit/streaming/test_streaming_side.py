"""Which side of a partition a node is on, as it hears of others."""

from __future__ import annotations

import pytest

from pulsing.core.seams import MemberView
from pulsing.core.system import System
from pulsing.ids import NodeId
from pulsing.streaming.ownership.side import Side


@pytest.mark.parametrize(("has_ended", "goes_on"), [(True, True), (False, False)])
async def test_one_known_here_to_have_ended_does_not_count_though_others_still_measure_by_it(
    has_ended: bool, goes_on: bool
) -> None:
    inner = System(node_id=NodeId(3))
    inner.members_view = lambda: [
        MemberView(NodeId(3), "", "Alive"),
        MemberView(NodeId(2), "", "Alive"),
        MemberView(NodeId(1), "", "Dead", ended=has_ended),
    ]
    changes: list[bool] = []
    side = Side(inner, lambda: changes.append(side.goes_on))

    side.learn({1, 2})

    assert side.goes_on is goes_on
    assert (changes or [True])[-1] is goes_on
    await inner.shutdown(drain=0)
