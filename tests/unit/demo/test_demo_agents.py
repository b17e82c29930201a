"""The agents of the demo at work in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pulsing.core import ActorProxy
from pulsing.demo.agents import BUCKETS, Analyst, Archivist, Reader
from pulsing.demo.analysis import analyse
from pulsing.exceptions import LinkLost
from pulsing.streaming import TopicWriter
from pulsing.testing import system, wait_until


class Desk:
    """A system with an archivist, and a way to hire more."""

    def __init__(self, node: Any) -> None:
        self.system = node

    async def hire(self, agent: Any, *arguments: Any, name: str) -> ActorProxy:
        proxy: ActorProxy = await agent.spawn(*arguments, name=name, system=self.system)
        return proxy

    async def analyst(self, number: int, rank: int = 0, world_size: int = 1) -> ActorProxy:
        name = f"analyst-{number}"
        hired = await self.hire(Analyst, name, 0.0, name=name)
        await hired.assign(rank, world_size)
        return hired

    async def reader(self, folder: Path, archivist: ActorProxy, once: bool = True) -> ActorProxy:
        return await self.hire(Reader, str(folder), archivist, once, 0.0, name="reader")


@asynccontextmanager
async def desk() -> AsyncIterator[tuple[Desk, ActorProxy]]:
    """A desk, and the archivist at it. The agents stop before the system does."""
    async with system() as node:
        own = Desk(node)
        try:
            yield own, await own.hire(Archivist, "archivist", name="archivist")
        finally:
            for name in ("reader", "analyst-1", "analyst-2", "archivist"):
                await node.stop(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(20):
        (tmp_path / f"{number}.txt").write_text(f"word{number} shared\n")
    (tmp_path / "picture").write_bytes(b"\0")
    return tmp_path


def finding(path: str, number: int = 1) -> dict[str, Any]:
    return {"path": path, "pass": number, "analyst": "analyst-1", **analyse("one line\n").to_dict()}


async def test_every_text_is_put_analysed_and_added_up(folder: Path) -> None:
    async with desk() as (own, archivist):
        await own.analyst(1)
        reader = await own.reader(folder, archivist)
        await wait_until(lambda: finished(reader), timeout=20.0)

        totals = await archivist.summary(top=1)
        assert (totals["files"], totals["words"], totals["identifiers"]) == (20, 40, [["shared", 20]])
        assert await reader.summary() == {"skipped": {"binary": 1}, "put_again": 0}
        assert await reader.progress() == {"done": 20, "known": 21, "skipped": 1, "pass": 1, "finished": True}


async def test_two_analysts_share_the_work(folder: Path) -> None:
    async with desk() as (own, archivist):
        await own.analyst(1, rank=0, world_size=2)
        await own.analyst(2, rank=1, world_size=2)
        reader = await own.reader(folder, archivist)
        await wait_until(lambda: finished(reader), timeout=20.0)

        by_analyst = (await archivist.summary())["by_analyst"]
        assert set(by_analyst) == {"analyst-1", "analyst-2"}
        assert sum(by_analyst.values()) == 20


async def test_shares_are_of_buckets() -> None:
    async with desk() as (own, _):
        analyst = await own.analyst(1)
        assert await analyst.assign(1, 2) == [bucket for bucket in range(BUCKETS) if bucket % 2 == 1]


async def test_a_text_counts_once_however_often_it_is_analysed() -> None:
    async with desk() as (_, archivist):
        assert await archivist.note(finding("a")) is True
        assert await archivist.note(finding("a")) is False
        assert await archivist.note(finding("a", number=2)) is True
        assert (await archivist.summary())["files"] == 2


async def test_the_archivist_knows_what_is_still_open() -> None:
    async with desk() as (_, archivist):
        await archivist.note(finding("a"))
        assert await archivist.still_open(1, ["a", "b"]) == ["b"]
        assert await archivist.still_open(2, ["a", "b"]) == ["a", "b"]


async def test_what_was_under_way_when_a_node_died_is_put_again(folder: Path) -> None:
    async with desk() as (own, archivist):
        reader = await own.reader(folder, archivist)
        await wait_until(lambda: all_put(reader))

        assert await reader.distrust() == 20
        await own.analyst(1)
        await wait_until(lambda: finished(reader), timeout=20.0)

        assert (await archivist.summary())["files"] == 20
        assert (await reader.summary())["put_again"] > 0


async def test_a_finding_that_could_not_be_published_is_published_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = TopicWriter.publish
    failures = iter([LinkLost("node-2"), TimeoutError()])

    async def publish_with_trouble(writer: TopicWriter, message: Any, **options: Any) -> Any:
        if (failure := next(failures, None)) is not None and not isinstance(failure, TimeoutError):
            raise failure
        result = await publish(writer, message, **options)
        if failure is not None:
            raise failure
        return result

    monkeypatch.setattr(TopicWriter, "publish", publish_with_trouble)
    async with desk() as (own, archivist):
        await own.analyst(1)
        reader = await own.reader(folder, archivist)
        await wait_until(lambda: finished(reader), timeout=20.0)

        assert (await archivist.summary())["files"] == 20
        assert (await reader.summary())["put_again"] == 0


async def test_a_reader_that_takes_over_goes_on_where_the_findings_end(folder: Path) -> None:
    async with desk() as (own, archivist):
        for number in range(15):
            await archivist.note(finding(f"{number}.txt"))
        await own.analyst(1)
        reader = await own.reader(folder, archivist)
        await wait_until(lambda: finished(reader), timeout=20.0)

        assert (await archivist.summary())["by_analyst"] == {"analyst-1": 20}
        assert (await reader.progress())["done"] == 20


async def test_without_once_the_input_is_read_again_and_again(folder: Path) -> None:
    async with desk() as (own, archivist):
        await own.analyst(1)
        reader = await own.reader(folder, archivist, once=False)

        async def third_pass() -> bool:
            return bool((await reader.progress())["pass"] >= 3)

        await wait_until(third_pass, timeout=20.0)
        assert (await archivist.summary())["files"] >= 40


async def finished(reader: ActorProxy) -> bool:
    return bool((await reader.progress())["finished"])


async def all_put(reader: ActorProxy) -> bool:
    # A file that is no text is under way for a moment too, until it has been looked into.
    progress = await reader.progress()
    return (len(await reader.under_way()), progress["skipped"]) == (20, 1)
