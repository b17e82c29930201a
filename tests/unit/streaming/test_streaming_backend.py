"""Stores by name, and the shape of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pulsing.streaming import (
    MemoryBackend,
    StorageBackend,
    get_backend_class,
    list_backends,
    register_backend,
)
from pulsing.streaming import backend as backends
from pulsing.streaming.backend import (
    ConsumptionBackend,
    ManageableBackend,
    TensorBackend,
    backend_name,
    build_batch_meta,
)


class Mine(MemoryBackend):
    """A store of somebody else."""


@pytest.fixture(autouse=True)
def forget_registered() -> Iterator[None]:
    yield
    backends._registered.clear()


def test_memory_is_the_first_store_and_registered_ones_follow() -> None:
    register_backend("mine", Mine)

    names = list_backends()

    assert names[0] == "memory"
    assert names[-1] == "mine"
    assert get_backend_class("mine") is Mine


def test_a_registered_store_wins_over_a_built_in_of_its_name() -> None:
    register_backend("memory", Mine)

    assert get_backend_class("memory") is Mine
    assert list_backends().count("memory") == 1


@pytest.mark.parametrize("name", ["", "../x", "a b", "system/x", "x" * 257])
def test_a_store_has_a_name_by_the_grammar(name: str) -> None:
    with pytest.raises(ValueError, match="backend"):
        register_backend(name, Mine)


def test_a_class_is_its_own_store() -> None:
    assert get_backend_class(Mine) is Mine


def test_a_class_that_was_passed_travels_by_its_name() -> None:
    assert backend_name(MemoryBackend) == "memory"
    assert backend_name(Mine) == "Mine"
    assert get_backend_class("Mine") is Mine


def test_an_unknown_store_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"Unknown backend: nope\. Available: \['memory'"):
        get_backend_class("nope")


@pytest.mark.parametrize("thing", ["text", 3, None, MemoryBackend(0)])
def test_only_a_class_can_be_registered(thing: Any) -> None:
    with pytest.raises(TypeError, match="backend_class must be a class, got"):
        register_backend("x", thing)


def test_a_class_without_the_methods_is_refused_by_what_it_lacks() -> None:
    class Half:
        async def put(self, record: dict[str, Any]) -> None: ...

    with pytest.raises(TypeError, match="Half lacks put_batch, get"):
        backend_name(Half)


def test_the_memory_store_fulfils_every_protocol() -> None:
    store = MemoryBackend(0)

    for protocol in (StorageBackend, TensorBackend, ConsumptionBackend, ManageableBackend):
        assert isinstance(store, protocol)


def test_a_batch_names_each_row_with_its_fields_ready() -> None:
    meta = build_batch_meta([4, 7], ["a"], partition_id="p")

    assert meta["global_indexes"] == [4, 7]
    assert meta["samples"][1] == {
        "partition_id": "p",
        "global_index": 7,
        "fields": {"a": {"name": "a", "dtype": None, "shape": None, "production_status": "ready"}},
    }
