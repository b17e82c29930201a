"""What Ray is told of a system's figures; a real Ray shows them in the tests of engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

import pulsing as pul
import pulsing.integrations.ray.mirror as mirroring
from pulsing.admin.families import FAMILIES as OURS
from pulsing.admin.families import PREFIX
from pulsing.integrations.ray.mirror import FAMILIES, Mirror
from pulsing.testing import system


class Metrics:
    """Keeps what Ray's metrics would show."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, ...], float] = {}

    def Counter(self, name: str, description: str, tag_keys: Sequence[str]) -> Any:
        return _Metric(self.values, name, tag_keys)

    Gauge = Counter


class _Metric:
    def __init__(self, values: dict[tuple[str, ...], float], name: str, tag_keys: Sequence[str]) -> None:
        self._values, self._name, self._keys = values, name, tuple(tag_keys)

    def set(self, value: float, tags: dict[str, str]) -> None:
        assert tuple(tags) == self._keys
        self._values[(self._name, *tags.values())] = value

    def inc(self, value: float, tags: dict[str, str]) -> None:
        assert value > 0
        self.set(self._values.get((self._name, *tags.values()), 0.0) + value, tags)


@pul.remote
class Till:
    def add(self, number: int) -> int:
        if number < 0:
            raise ValueError("less than nothing")
        return number


NAME = f"{__name__}.Till"


async def test_counters_go_on_and_what_has_gone_is_none() -> None:
    metrics = Metrics()
    async with system() as one:
        mirror = Mirror(one.inner, metrics)
        till = await Till.spawn(system=one)
        await till.add(1)
        mirror.tell()
        first = dict(metrics.values)
        await till.add(1)
        with pytest.raises(ValueError):
            await till.add(-1)
        await one.stop(till)
        mirror.tell()

    assert [values["pulsing_actors", NAME, "running"] for values in (first, metrics.values)] == [1, 0]
    assert [values["pulsing_actor_messages", NAME, "add", "ok"] for values in (first, metrics.values)] == [1, 2]
    assert metrics.values["pulsing_actor_messages", NAME, "add", "error"] == 1
    assert metrics.values["pulsing_cluster_members", "Alive"] == 1


async def test_of_many_series_the_last_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirroring, "MAX_SERIES", 2)
    metrics = Metrics()
    async with system() as one:
        for number in range(5):
            await pul.remote(type(f"Kind{number}", (), {})).spawn(system=one)
        Mirror(one.inner, metrics).tell()

    shown = {key[1:]: value for key, value in metrics.values.items() if key[0] == "pulsing_actors"}
    assert sorted(shown.values()) == [1, 1, 3]
    assert shown["_other", "_other"] == 3


def test_they_are_called_as_on_our_own_page() -> None:
    for name, family in FAMILIES.items():
        ours = OURS[name.removeprefix(PREFIX) + ("_total" if family.counts else "")]
        assert (family.counts, family.labels) == (ours.kind == "counter", ours.labels)
