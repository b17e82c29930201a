"""Which classes may be built from what another node sends."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import pytest

import pulsing
from pulsing.exceptions import NotSendable
from pulsing.wire import Codec, DecodeError, TypeRegistry, default_registry, wire_name


@dataclasses.dataclass
class Order:
    number: int


@dataclasses.dataclass
class Countdown:
    start: dataclasses.InitVar[int]
    left: int = 0


class Ref:
    """Stands for a value whose meaning depends on the system that decodes it."""

    def __init__(self, number: int, system: str) -> None:
        self.number = number
        self.system = system


class Colour(enum.Enum):
    RED = 1


class Opaque:
    pass


def codecs() -> tuple[Codec, Codec]:
    return Codec(TypeRegistry()), Codec(TypeRegistry())


def test_register_returns_the_class_with_or_without_arguments() -> None:
    registry = TypeRegistry()

    assert registry.register(Order) is Order
    assert registry.register(name="order")(Order) is Order
    assert registry.register()(Order) is Order


def test_a_class_travels_under_its_module_and_qualified_name_unless_named_otherwise() -> None:
    registry = TypeRegistry()
    registry.register(Order)

    entry = registry.entry(f"{__name__}:Order")

    assert entry is not None and entry.cls is Order
    assert wire_name(Order) == entry.name


def test_a_name_belongs_to_one_class() -> None:
    registry = TypeRegistry()
    registry.register(Order, name="n")
    registry.register(Order, name="n")

    with pytest.raises(ValueError, match="'n'"):
        registry.register(dataclasses.make_dataclass("Other", ["number"]), name="n")
    with pytest.raises(ValueError, match="'n'"):
        registry.child().register(dataclasses.make_dataclass("Other", ["number"]), name="n")


@pytest.mark.parametrize("arguments", [{}, {"encode": str}, {"decode": str}])
def test_a_class_that_does_not_describe_itself_needs_both_functions(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="encode= and decode="):
        TypeRegistry().register(Opaque, **arguments)


def test_only_classes_can_be_registered() -> None:
    with pytest.raises(TypeError):
        TypeRegistry().register(Order(1))  # type: ignore[call-overload]


def test_a_class_whose_objects_do_not_keep_an_argument_needs_both_functions() -> None:
    with pytest.raises(TypeError):
        TypeRegistry().register(Countdown)
    with pytest.raises(NotSendable):
        Codec().encode(Countdown(1))


def test_a_child_knows_what_its_parent_knows_and_keeps_its_own_to_itself() -> None:
    parent = TypeRegistry()
    child = parent.child()
    child.register(Order)
    parent.register(Colour, name="colour")

    assert child.entry("colour") is not None
    assert parent.entry(wire_name(Order)) is None


def test_the_fallback_vouches_for_classes_that_are_already_here() -> None:
    sender, receiver = codecs()
    receiver.registry.fallback = {wire_name(Order): Order}.get

    assert receiver.decode(sender.encode(Order(1))) == Order(1)


@pytest.mark.parametrize("found", [Opaque, dataclasses.make_dataclass("Other", ["number"]), None])
def test_a_class_that_the_fallback_finds_under_a_false_name_is_not_built(found: type | None) -> None:
    sender, receiver = codecs()
    receiver.registry.fallback = lambda name: found

    with pytest.raises(DecodeError, match="not registered"):
        receiver.decode(sender.encode(Order(1)))


def test_a_name_is_never_imported() -> None:
    registry = TypeRegistry()
    registry.register(Order, name="antigravity:Anything")

    with pytest.raises(DecodeError, match="antigravity"):
        Codec(TypeRegistry()).decode(Codec(registry).encode(Order(1)))


def test_an_extension_is_decoded_by_the_system_that_receives_it() -> None:
    def system(name: str) -> Codec:
        registry = default_registry.child()
        registry.add_extension(64, Ref, lambda ref: ref.number, lambda number: Ref(number, name))
        return Codec(registry)

    here, there = system("here"), system("there")

    (ref,) = there.decode(here.encode((Ref(7, "here"),)))

    assert (ref.number, ref.system) == (7, "there")
    with pytest.raises(NotSendable):
        Codec().encode(Ref(7, "here"))


def test_an_extension_whose_decoder_raises_fails_its_own_value_only() -> None:
    registry = TypeRegistry()
    registry.add_extension(64, Ref, lambda ref: ref.number, lambda number: {}[number])

    with pytest.raises(DecodeError):
        Codec(registry).decode(Codec(registry).encode(Ref(7, "")))


@pytest.mark.parametrize("tag", [0, 63, 128, 64])
def test_tags_of_extensions_have_a_range_and_one_meaning(tag: int) -> None:
    registry = TypeRegistry()
    registry.add_extension(64, Ref, str, str)

    with pytest.raises(ValueError):
        registry.add_extension(tag, Opaque, str, str)


def test_register_type_writes_to_the_registry_of_the_process() -> None:
    @pulsing.register_type
    @dataclasses.dataclass
    class Local:
        number: int

    assert default_registry.child().entry(wire_name(Local)) is not None
