"""What is refused before Ray is asked for a place; without Ray."""

from __future__ import annotations

from typing import Any

import pytest

from pulsing.exceptions import PulsingRuntimeError
from pulsing.integrations.ray.host import interface_of
from pulsing.integrations.ray.resources import check_feasible, in_words_of_ray

NODES: list[dict[str, Any]] = [
    {"NodeID": "a", "Alive": True, "Resources": {"CPU": 8.0, "memory": 1e9}},
    {"NodeID": "b", "Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0, "big": 1}},
    {"NodeID": "c", "Alive": False, "Resources": {"CPU": 64.0}},
]


@pytest.mark.parametrize(
    "wanted",
    [{}, {"num_cpus": 8}, {"num_cpus": 2, "num_gpus": 1}, {"resources": {"big": 0.5}}, {"big": 1}, {"node_id": "b"}],
)
def test_what_one_live_node_has_may_be_asked_for(wanted: dict[str, Any]) -> None:
    check_feasible(in_words_of_ray(wanted), NODES)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"num_cpus": 64}, r"64 CPU \(the most on one node is 8\)"),
        ({"num_cpus": 8, "num_gpus": 1}, r"together: 8 CPU .*, 1 GPU"),
        ({"resources": {"huge": 1}}, r"1 huge \(the most on one node is 0\)"),
        ({"num_cpus": 4, "node_id": "b"}, r"4 CPU \(the most on one node is 2\)"),
        ({"node_id": "c"}, "no live node c"),
    ],
)
def test_what_none_has_is_refused_with_what_there_is(wanted: dict[str, Any], told: str) -> None:
    with pytest.raises(PulsingRuntimeError, match=told):
        check_feasible(wanted, NODES)


def test_an_amount_of_something_else_is_a_custom_resource_of_ray() -> None:
    assert in_words_of_ray({"num_cpus": 1, "big": 0.5, "resources": {"huge": 1}}) == {
        "num_cpus": 1,
        "resources": {"big": 0.5, "huge": 1},
    }


def test_all_words_of_ray_that_are_known_pass_as_they_are() -> None:
    wanted = {"memory": 1 << 20, "label_selector": {"zone": "a"}, "runtime_env": {}, "lifetime": "detached"}

    assert in_words_of_ray(wanted) == wanted


@pytest.mark.parametrize("value", ["red", True, None])
def test_words_that_ray_does_not_know_are_refused(value: Any) -> None:
    with pytest.raises(PulsingRuntimeError, match="knows no resource colour; it knows num_cpus"):
        in_words_of_ray({"num_cpus": 1, "colour": value})


@pytest.mark.parametrize(
    ("here", "parent", "same_place", "interface"),
    [
        ("10.0.0.2", "10.0.0.1:70", False, "10.0.0.2"),
        ("127.0.0.3", "127.0.0.2:70", False, "127.0.0.3"),
        ("10.0.0.2", "127.0.0.1:70", True, "127.0.0.1"),
    ],
)
def test_a_process_listens_where_its_node_reaches_it(here: str, parent: str, same_place: bool, interface: str) -> None:
    assert interface_of(here, parent, same_place) == interface


def test_a_node_on_the_loopback_interface_of_another_machine_cannot_be_reached() -> None:
    with pytest.raises(PulsingRuntimeError, match="init_inside_ray"):
        interface_of("10.0.0.2", "127.0.0.1:70", False)
