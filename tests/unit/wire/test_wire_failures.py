"""An error as data and back: the classes of two fixed tables, and text for everything else."""

from __future__ import annotations

import builtins
import traceback
from typing import Any

import pytest

from pulsing.exceptions import (
    BUILTIN_ERRORS,
    PULSING_ERRORS,
    ActorNotFound,
    ActorStopped,
    DataLost,
    LinkLost,
    NotOwner,
    PulsingBusinessError,
    PulsingError,
    PulsingRuntimeError,
    PulsingSystemError,
    PulsingTimeoutError,
    error_for_caller,
)
from pulsing.ids import ActorId, NodeId
from pulsing.wire import Codec, FailureRecord, from_failure, to_failure
from pulsing.wire.failures import CAUSES_LIMIT, MESSAGE_LIMIT, TRACEBACK_LIMIT, failure_from_fields

CODEC = Codec()


class OutOfStock(PulsingBusinessError):
    pass


class Unusual(KeyError):
    pass


def arrived(error: BaseException) -> PulsingError:
    """The error as a caller on another node gets it."""
    return from_failure(failure_from_fields(CODEC.decode(CODEC.encode(to_failure(error).as_fields()))))


def raised(error: Exception) -> PulsingError:
    """What becomes of an error that leaves an actor."""
    try:
        raise error
    except Exception as caught:
        return error_for_caller(caught, operation="Shop.buy", actor_name="actors/shop")


@pytest.mark.parametrize(
    "error",
    [
        PulsingRuntimeError("m"),
        PulsingBusinessError(404, "no", "really"),
        PulsingSystemError("m", recoverable=False),
        PulsingTimeoutError("op", 5),
        ActorNotFound(actor_id=ActorId(1 << 100)),
        LinkLost(NodeId(5), maybe_executed=False, detail="reset"),
        NotOwner("topic/0", NodeId(3), epoch=4),
        DataLost("t", 1, "retention", 0, None, 7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_our_own_arrives_with_its_class_text_and_fields(error: PulsingError) -> None:
    result = arrived(error)

    assert type(result) is type(error)
    assert str(result) == str(error)
    assert vars(error).items() <= vars(result).items()


@pytest.mark.parametrize("name", sorted(BUILTIN_ERRORS))
def test_an_error_is_also_of_the_builtin_class_that_was_raised(name: str) -> None:
    builtin = BUILTIN_ERRORS[name]
    error = builtin("utf-8", b"", 0, 1, "x") if name == "UnicodeDecodeError" else None
    if error is None:
        error = builtin("utf-8", "", 0, 1, "x") if name == "UnicodeEncodeError" else builtin.__new__(builtin)

    result = arrived(raised(error))

    assert isinstance(result, builtin)
    assert isinstance(result, PulsingError)
    assert result.remote_type == name


def test_an_error_tells_what_was_raised_where_and_by_whom() -> None:
    result: Any = arrived(raised(Unusual("k")))

    assert (type(result).__name__, issubclass(type(result), KeyError)) == ("PulsingBusinessError", True)
    assert result.remote_type == f"{__name__}.Unusual"
    assert result.actor_name == "actors/shop"
    assert "raise error\n" in result.remote_traceback
    assert "raise error\n" in "".join(traceback.format_exception(result))


def test_an_error_of_a_users_class_arrives_as_its_nearest_pulsing_class() -> None:
    result: Any = arrived(OutOfStock(409, "none left"))

    assert type(result) is PulsingBusinessError
    assert (result.code, result.message) == (409, "none left")


def test_an_error_without_text_is_still_an_error() -> None:
    result = arrived(raised(RuntimeError()))

    assert isinstance(result, PulsingSystemError) and isinstance(result, RuntimeError)
    assert str(result).startswith("RuntimeError")


def test_an_error_that_did_not_pass_through_an_actor_arrives_all_the_same() -> None:
    assert isinstance(arrived(ValueError("x")), PulsingBusinessError)


def test_causes_arrive_up_to_a_limit() -> None:
    error: Exception = ValueError("root")
    for _ in range(CAUSES_LIMIT + 3):
        error = ActorStopped(name="actors/a", cause=error)

    causes = []
    result: Any = arrived(error)
    while (result := getattr(result, "cause", None)) is not None:
        causes.append(result)

    assert len(causes) == CAUSES_LIMIT
    assert all(type(cause) is ActorStopped for cause in causes)


def test_long_texts_are_cut_in_the_middle() -> None:
    error = PulsingSystemError("a" * 10_000 + "end")
    error.remote_traceback = "b" * 100_000 + "last line"

    record = to_failure(error)

    assert len(record.message) <= MESSAGE_LIMIT and record.message.endswith("end")
    assert record.traceback is not None
    assert len(record.traceback) <= TRACEBACK_LIMIT and record.traceback.endswith("last line")
    assert isinstance(arrived(error), PulsingSystemError)


def test_a_field_of_the_class_that_cannot_travel_arrives_as_its_text() -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    error: Any = PulsingBusinessError(10**60, "no", {"field": "name"})  # type: ignore[arg-type]
    error.actor_name = Mute()

    result: Any = arrived(error)

    assert (result.code, result.message, result.details) == (str(10**60), "no", "{'field': 'name'}")
    assert "Mute" in result.actor_name


def test_attributes_that_are_no_plain_values_stay_behind() -> None:
    error: Any = PulsingRuntimeError("m")
    error.lock = object()
    error.__notes__ = ["x"]
    error.hint = "kept"

    result: Any = arrived(error)

    assert result.hint == "kept"
    assert not hasattr(result, "lock")


@pytest.mark.parametrize("category", ["SystemExit", "os.system", "Exception", "Unheard", "KeyError", "__import__"])
def test_a_category_outside_the_table_arrives_as_a_system_error(category: str) -> None:
    result = from_failure(FailureRecord(category, "text"))

    assert type(result) is PulsingSystemError
    assert (result.error, result.recoverable) == ("text", True)


@pytest.mark.parametrize("builtin", ["SystemExit", "KeyboardInterrupt", "eval", "object", "StopIteration", "Unheard"])
def test_a_builtin_outside_the_table_is_left_out(builtin: str) -> None:
    assert type(from_failure(FailureRecord("PulsingSystemError", "text", builtin))) is PulsingSystemError


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {},
        {"category": "PulsingError"},
        {"category": 1, "message": "m"},
        {"category": "PulsingError", "message": "m" * 5000},
        {"category": "PulsingError", "message": "m", "traceback": "t" * 20_000},
        {"category": "PulsingError", "message": "m", "traceback": 1},
        {"category": "PulsingError", "message": "m", "surplus": 1},
        {"category": "PulsingError", "message": "m", "node": 1},
        {"category": "PulsingError", "message": "m", "cause": "c"},
        {"category": "PulsingError", "message": "m", "fields": []},
        {"category": "PulsingError", "message": "m", "fields": {"args": 1}},
        {"category": "PulsingError", "message": "m", "fields": {"with_traceback": 1}},
        {"category": "PulsingError", "message": "m", "fields": {"_private": 1}},
        {"category": "PulsingError", "message": "m", "fields": {"remote_type": "x"}},
        {"category": "PulsingError", "message": "m", "fields": {1: 1}},
        {"category": "PulsingError", "message": "m", "fields": {"a": {}}},
        {"category": "PulsingError", "message": "m", "fields": {"a": "x" * 5000}},
        {"category": "PulsingError", "message": "m", "fields": {f"a{number}": 1 for number in range(40)}},
    ],
    ids=range(20),
)
def test_what_is_no_failure_is_refused(content: Any) -> None:
    with pytest.raises(ValueError):
        failure_from_fields(content)


def test_a_chain_of_causes_beyond_the_limit_is_refused() -> None:
    content: dict[str, Any] = {"category": "PulsingError", "message": "m"}
    for _ in range(CAUSES_LIMIT + 1):
        content = {**content, "cause": content}

    with pytest.raises(ValueError, match="causes"):
        failure_from_fields(content)


def test_every_pulsing_class_can_arrive() -> None:
    for name, cls in PULSING_ERRORS.items():
        assert type(from_failure(FailureRecord(name, "m"))) is cls


def test_no_builtin_that_is_not_an_error_is_in_the_table() -> None:
    assert all(getattr(builtins, name) is cls and issubclass(cls, Exception) for name, cls in BUILTIN_ERRORS.items())
