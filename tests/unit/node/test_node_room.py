"""Room for messages comes back in time, whatever the sizes of the values that are under way together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import pulsing as pul
from pulsing.testing import cluster
from pulsing.testing.virtual import run_virtual

MIB = 1 << 20
WINDOW = [2.6, 2.6, 2.6, 2.9]
"""Values that fill the window of 8 MiB, and come to an end at about the same time."""


@pul.remote
class Scale:
    """Weighs values."""

    def weigh(self, value: bytes) -> int:
        """How many bytes it has."""
        return len(value)


@pytest.mark.parametrize("sizes", [WINDOW, [*WINDOW, *WINDOW], [4.1, 4.1], [1.7] * 5, [0.9] * 9])
def test_a_large_value_may_go_when_those_before_it_have_come(sizes: list[float]) -> None:
    async def body() -> None:
        async with cluster(2) as (here, there):
            made: Any = await Scale.spawn(system=there)
            scale = (await here.refer(made.ref.actor_id)).as_any()
            values = [bytes(int(size * MIB)) for size in sizes]
            assert await asyncio.gather(*map(scale.weigh, values)) == [len(value) for value in values]
            assert await scale.with_options(timeout=5).weigh(bytes(MIB)) == MIB

    run_virtual(body)
