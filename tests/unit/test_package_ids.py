"""Names for nodes and actors that no two processes can share."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsing.ids import ActorId, NodeId

BITS_128 = st.integers(0, 2**128 - 1)


@given(BITS_128)
def test_every_spelling_of_an_actor_id_is_read_back(number: int) -> None:
    actor_id = ActorId(number)
    digits = f"{number:032x}"
    dashed = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    for spelling in (str(actor_id), digits, digits.upper(), dashed, actor_id.uuid()):
        assert ActorId.from_str(spelling) == actor_id
    if len(str(number)) != 32:
        assert ActorId.from_str(str(number)) == actor_id
    assert ActorId.of(actor_id.node_id.id, actor_id.local_id) == actor_id
    assert pickle.loads(pickle.dumps(actor_id)) == actor_id
    assert hash(ActorId(number)) == hash(actor_id)


def test_32_digits_are_read_as_hexadecimal() -> None:
    assert ActorId.from_str("1" * 32).id == int("1" * 32, 16)


@pytest.mark.parametrize(
    "text", ["", "x", "12:34", "1" * 40, str(2**128), "-1", " 1", "1\n", "é", "0" * 16 + ":" + "0" * 15, "1_000"]
)
def test_other_text_is_no_actor_id(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid ActorId format: "):
        ActorId.from_str(text)


@pytest.mark.parametrize("cls", [ActorId, NodeId])
@pytest.mark.parametrize("number", [-1, 2**128, True, 1.5, "1"])
def test_a_number_out_of_range_is_no_id(cls: Any, number: Any) -> None:
    with pytest.raises(ValueError):
        cls(number)


def test_ids_are_values() -> None:
    assert ActorId(5) == ActorId(5) != ActorId(6)
    assert ActorId(5) != NodeId(5)
    assert ActorId(5) != 5
    assert str(ActorId(5)) == "0000000000000000:0000000000000005"
    assert repr(ActorId(5)) == "ActorId(0000000000000000:0000000000000005)"
    for made in (ActorId(5), NodeId(5)):
        with pytest.raises(AttributeError):
            made.id = 6
    with pytest.raises(TypeError):
        _ = ActorId(5) < ActorId(6)  # type: ignore[operator]


def test_new_ids_are_random() -> None:
    assert len({ActorId() for _ in range(100)} | {ActorId.generate() for _ in range(100)}) == 200
    assert len({NodeId() for _ in range(100)} | {NodeId.generate() for _ in range(100)}) == 200
    assert len(ActorId().uuid()) == 32


def test_a_node_id_names_this_node_by_zero() -> None:
    assert NodeId.local() == NodeId(0)
    assert NodeId.local().is_local()
    assert not NodeId().is_local()
    assert str(NodeId(255)) == NodeId(255).uuid() == "00000000000000ff"
    assert NodeId.from_str("00000000000000ff") == NodeId(255)
    assert pickle.loads(pickle.dumps(NodeId(7))) == NodeId(7)
    with pytest.raises(ValueError):
        NodeId.from_str("ff")
