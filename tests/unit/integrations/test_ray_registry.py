"""What Ray's registry keeps, and for how long; without Ray."""

from __future__ import annotations

from typing import Any

from pulsing.integrations.ray.registry import BEAT_S, GRACE_S, TTL_S, Registry

SECRET = b"s" * 32


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def registry(restarted: bool = False) -> tuple[Registry, Time]:
    time = Time()
    return Registry(restarted, time), time


def record(port: int, token: bytes | None = None) -> dict[str, Any]:
    return {"addr": f"10.0.0.1:{port}", "token": token}


def test_each_process_is_told_the_addresses_of_all_others() -> None:
    made, _ = registry()

    assert made.register("a", record(1))["members"] == []
    assert made.register("b", record(2))["members"] == ["10.0.0.1:1"]
    assert made.register("a", record(1))["members"] == ["10.0.0.1:2"]


def test_who_is_not_heard_of_is_handed_out_no_more() -> None:
    made, time = registry()
    epoch = made.register("a", record(1))["epoch"]
    made.register("b", record(2))
    for _ in range(4):
        time.now += BEAT_S
        assert made.beat("a", epoch)

    assert made.peers() == ["10.0.0.1:1"]
    assert not made.beat("b", epoch)
    time.now += TTL_S
    assert made.peers() == []


def test_who_leaves_is_forgotten_at_once() -> None:
    made, _ = registry()
    made.register("a", record(1))
    made.drop("a")
    made.drop("a")

    assert made.peers() == []


def test_all_get_one_secret() -> None:
    made, _ = registry()
    first = made.secret()

    assert first is not None and len(first) == 32
    assert made.secret() == first


def test_a_registry_that_lost_its_memory_waits_to_be_told_the_secret() -> None:
    made, _ = registry(restarted=True)
    assert made.secret() is None
    assert made.register("a", record(1, SECRET))["agree"]

    assert made.secret() == SECRET
    refused = made.register("b", record(2, b"x" * 32))
    assert (refused["agree"], refused["members"]) == (False, [])
    assert made.peers() == ["10.0.0.1:1"]


def test_when_nobody_is_left_to_tell_it_makes_a_new_secret() -> None:
    made, time = registry(restarted=True)
    time.now += GRACE_S

    assert made.secret() is not None


def test_a_beat_of_an_earlier_life_asks_for_a_new_registration() -> None:
    earlier, _ = registry()
    epoch = earlier.register("a", record(1))["epoch"]
    later, _ = registry(restarted=True)

    assert not later.beat("a", epoch)
    assert later.register("a", record(1))["epoch"] != epoch
