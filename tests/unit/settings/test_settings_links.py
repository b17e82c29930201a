"""`link.*`: what one node makes use of on its links to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
from pulsing.config import config_from
from pulsing.exceptions import NotSendable
from pulsing.testing import cluster, wait_until
from pulsing.testing.virtual import run_virtual
from pulsing.wire.session import Bounds

TIGHT: dict[str, Any] = {"window_frames": 256, "window_bytes": 1 << 20, "pending_asks": 3, "stream_items": 1}


@pul.remote
class Far:
    """Lives on the other node."""

    def __init__(self) -> None:
        self.at_once = self.most = 0
        self.go = asyncio.Event()
        self.made = 0

    async def wait(self, number: int) -> int:
        """Answer when it is let go."""
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.go.wait()
        self.at_once -= 1
        return number

    def let_go(self) -> int:
        """Answer all; how many had come."""
        self.go.set()
        return self.most

    def size_of(self, value: bytes) -> int:
        """How long it is."""
        return len(value)

    async def count(self, to: int) -> AsyncIterator[int]:
        """Stream numbers."""
        for number in range(to):
            self.made += 1
            yield number


async def far_from(systems: Any) -> Any:
    here, there = systems
    made: Any = await Far.spawn(system=there)
    return (await here.refer(made.ref.actor_id)).as_any()


def test_no_more_asks_wait_than_were_granted_and_all_are_answered() -> None:
    async def body() -> None:
        async with cluster(2, **TIGHT) as systems:
            far = await far_from(systems)
            cell = systems[1].inner.registry.by_id(far.ref.actor_id)
            assert cell is not None
            own = cell.actor
            asked = [asyncio.ensure_future(far.wait(number)) for number in range(10)]
            await wait_until(lambda: own.most == 3)
            await asyncio.sleep(1)
            assert own.let_go() == 3
            assert await asyncio.gather(*asked) == list(range(10))

    run_virtual(body)


def test_a_stream_goes_on_item_by_item() -> None:
    async def body() -> None:
        async with cluster(2, **TIGHT) as systems:
            far = await far_from(systems)
            assert [item async for item in far.count(100)] == list(range(100))

    run_virtual(body)


def test_large_values_and_many_messages_pass_through_small_windows() -> None:
    async def body() -> None:
        async with cluster(2, **{**TIGHT, "pending_asks": 10_000}) as systems:
            far = await far_from(systems)
            assert await asyncio.gather(*(far.size_of(bytes(300_000)) for _ in range(20))) == [300_000] * 20
            assert len(await asyncio.gather(*(far.size_of(b"x") for _ in range(2_000)))) == 2_000

    run_virtual(body)


def test_a_value_over_the_limit_is_not_sent() -> None:
    async def body() -> None:
        async with cluster(2, max_message_bytes=1 << 20) as systems:
            far = await far_from(systems)
            assert await far.size_of(bytes(1_000_000)) == 1_000_000
            with pytest.raises(NotSendable):
                await far.size_of(bytes(1_100_000))

    run_virtual(body)


def test_they_come_from_the_settings_and_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pulsing.toml").write_text("[link]\nwindow_frames = 512\n")
    config = config_from({"PULSING_LINK_PENDING_ASKS": "7"})
    assert (config.window_frames, config.pending_asks, config.stream_items) == (512, 7, 32)
    with pytest.raises(ValueError, match="window_frames lies between 256 and 1024, got 8"):
        Bounds(window_frames=8)
