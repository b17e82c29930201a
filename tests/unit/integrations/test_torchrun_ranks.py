"""How ranks find each other's addresses in a store that has what torch's has."""

from __future__ import annotations

import time

import pytest

import pulsing as pul
from pulsing.exceptions import JoinTimeout
from pulsing.integrations.torchrun import Ranks, _contact


class Store:
    """A store in memory, of the three calls that are used."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def set(self, key: str, value: str) -> None:
        self.values[key] = value.encode()

    def get(self, key: str) -> bytes:
        return self.values[key]

    def check(self, keys: list[str]) -> bool:
        return all(key in self.values for key in keys)


def ranks(store: Store, rank: int, life: str = "run/0") -> Ranks:
    return Ranks(store, life, rank, 3, "127.0.0.1")


def test_a_rank_knows_the_others_that_have_told_their_address() -> None:
    store = Store()
    ranks(store, 0).publish("127.0.0.1:1")
    ranks(store, 1).publish("127.0.0.1:2")

    assert ranks(store, 1).known() == {0: "127.0.0.1:1"}
    assert ranks(store, 2).known() == {0: "127.0.0.1:1", 1: "127.0.0.1:2"}


def test_addresses_of_an_earlier_life_are_not_seen() -> None:
    store = Store()
    ranks(store, 0).publish("127.0.0.1:1")

    assert ranks(store, 1, "run/1").known() == {}


def test_a_rank_that_never_comes_is_named() -> None:
    with pytest.raises(JoinTimeout, match=r"rank 0.*did not call init_inside_torchrun"):
        ranks(Store(), 1).wait_for(0, time.monotonic())


def test_ranks_listen_where_the_others_are() -> None:
    assert _contact({"MASTER_ADDR": "10.0.0.1", "LOCAL_WORLD_SIZE": "2"}, 2) == "10.0.0.1"
    assert _contact({"LOCAL_WORLD_SIZE": "2"}, 2) == "127.0.0.1"
    assert _contact({"LOCAL_WORLD_SIZE": "2"}, 4) == "192.0.2.1"


def test_without_torch_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.distributed", None)

    with pytest.raises(ImportError, match="requires torch"):
        pul.init_inside_torchrun()


def test_without_ray_the_errors_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)

    with pytest.raises(ImportError, match=r"requires Ray: pip install 'pulsing\[ray\]'"):
        pul.cleanup_ray()
