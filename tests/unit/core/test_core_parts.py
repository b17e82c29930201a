"""Long answers of nodes in parts."""

from __future__ import annotations

from typing import Any

import pytest

from pulsing.core.parts import LONG, ROWS_AT_ONCE, from_parts, in_parts

ROWS = [{"id": str(number), "tags": {"a": None}, "rate": 0.5} for number in range(2 * ROWS_AT_ONCE + 1)]


@pytest.mark.parametrize("answer", [ROWS, {"rows": ROWS, "total": 9, "filtered": 8}])
async def test_a_long_list_travels_as_texts_of_some_rows_each(answer: Any) -> None:
    sent = await in_parts(answer)

    assert [type(part) for part in sent["parts"]] == [bytes] * 3
    assert await from_parts(sent) == answer


@pytest.mark.parametrize("answer", [ROWS[:LONG], {"rows": ROWS[:LONG]}, {"id": "1"}, [], None, "text"])
async def test_what_is_no_long_list_travels_as_it_is(answer: Any) -> None:
    assert await in_parts(answer) is answer
    assert await from_parts(answer) is answer
