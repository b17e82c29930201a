"""Every error, by whose fault it is."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import weakref
from typing import Any

import pytest

from pulsing import exceptions as exc
from pulsing.ids import ActorId, NodeId

INSTANCES: list[tuple[exc.PulsingError, tuple[type[BaseException], ...], str]] = [
    (exc.PulsingRuntimeError("m", ValueError("c")), (), "m"),
    (exc.PulsingActorError("m", "a"), (), "m"),
    (exc.PulsingBusinessError(404, "none", "d"), (exc.PulsingActorError,), "[404] none"),
    (exc.PulsingSystemError("broken", False), (exc.PulsingActorError,), "broken"),
    (exc.PulsingTimeoutError("op", 12), (exc.PulsingActorError,), "Operation 'op' timed out after 12ms"),
    (exc.PulsingUnsupportedError("C.m"), (exc.PulsingActorError,), "Unsupported operation: C.m"),
    (exc.NotInitialized(), (RuntimeError,), "Actor system not initialized. Call 'await init()' first."),
    (exc.SystemStopped(), (RuntimeError,), "The actor system"),
    (exc.WrongLoop("no loop here"), (RuntimeError,), "no loop here"),
    (exc.ActorNotFound("actors/x"), (LookupError, RuntimeError), "Named actor not found: actors/x"),
    (exc.ActorNotFound(actor_id=ActorId(5)), (LookupError,), "Actor not found: 0000000000000000:0000000000000005"),
    (exc.ActorStopped(ActorId(5), "actors/x", "failed", True, OSError("disk")), (RuntimeError,), "Actor actors/x"),
    (exc.ActorStopped(reason="its reader has left"), (RuntimeError,), "its reader has left"),
    (exc.NameTaken("actors/x", NodeId(1)), (RuntimeError,), "Actor already exists: actors/x"),
    (exc.MailboxFull("actors/x", 3), (RuntimeError,), "Mailbox of actors/x is full"),
    (exc.Overloaded("asks", 10), (RuntimeError,), "Overloaded"),
    (
        exc.DeadlineExceeded("m", 1.5),
        (TimeoutError, asyncio.TimeoutError, RuntimeError),
        "m did not answer within 1.5 s",
    ),
    (exc.NodeNotFound(NodeId(7)), (LookupError, RuntimeError), "Node not found: 0000000000000007"),
    (exc.NodeDead(7), (ConnectionError, RuntimeError), "Node is dead: 0000000000000007"),
    (exc.NodeLeaving(7), (ConnectionError,), "Node is leaving"),
    (exc.LinkLost(7, False, "reset"), (ConnectionError, RuntimeError), "Link to node 0000000000000007 was lost: reset"),
    (exc.AuthFailed("a:1", "set X"), (PermissionError, RuntimeError), "Authentication with a:1 failed: set X"),
    (exc.Forbidden("spawn", "hint"), (PermissionError,), "Forbidden: spawn; hint"),
    (exc.JoinTimeout(["a:1"], 2.0), (TimeoutError,), "No seed answered within 2 s: a:1"),
    (exc.AddressInUse("a:1"), (OSError, RuntimeError), "Address already in use: a:1"),
    (exc.NotSendable("m.T"), (TypeError, RuntimeError), "m.T cannot be sent"),
    (exc.NotOwner("bucket", NodeId(1), 3), (RuntimeError,), "bucket is owned by node"),
    (exc.BucketUnavailable("t", 1, 0.0), (RuntimeError,), "Bucket 1 of t is unavailable"),
    (exc.DataLost("t", 1, "owner_died", 1, None, 2), (RuntimeError,), "Records of t bucket 1 are lost"),
]
BY_NAME = pytest.mark.parametrize(("error", "also", "text"), INSTANCES, ids=lambda value: type(value).__name__)


@BY_NAME
def test_an_error_says_what_happened_and_is_what_callers_catch(error: Any, also: Any, text: str) -> None:
    assert isinstance(error, exc.PulsingError)
    assert all(isinstance(error, cls) for cls in also)
    assert str(error).startswith(text)
    actors_fault = isinstance(error, exc.PulsingActorError)
    assert actors_fault != isinstance(error, exc.PulsingRuntimeError)


@BY_NAME
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_survives_copying_and_pickling_with_its_fields(error: Any, also: Any, text: str, again: Any) -> None:
    found = again(error)
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert {key: repr(value) for key, value in vars(found).items()} == {
        key: repr(value) for key, value in vars(error).items()
    }


def test_a_users_error_of_several_arguments_shows_them_all_as_any_exception_does() -> None:
    class OutOfStock(exc.PulsingError):
        pass

    assert str(OutOfStock("tea", 3)) == "('tea', 3)"
    assert (str(OutOfStock("tea")), str(OutOfStock())) == ("tea", "")


@pytest.mark.parametrize("raised", [KeyError("k"), OSError(2, "none"), UnicodeDecodeError("utf-8", b"x", 0, 1, "why")])
def test_a_mixed_error_survives_pickling(raised: Exception) -> None:
    error: Any = exc.error_for_caller(raised, operation="C.m", actor_name="a")
    again: Any = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert issubclass(type(again), type(raised))
    assert str(again) == str(error)
    assert (again.remote_type, again.actor_name) == (type(raised).__name__, "a")


class Held:
    """Something that lives as long as the frame that knows it."""


class OwnError(exc.PulsingSystemError, KeyError):
    """Of a user."""


def test_an_error_without_frames_says_the_same_and_holds_nothing() -> None:
    def fail(held: Held) -> None:
        error: Any = OwnError("first")
        error.cause = ValueError("beneath")
        error.held, error.count, error.kinds, error.mixture = held, 3, ["a", "b"], ["a", held]
        raise error

    held = Held()
    freed = weakref.ref(held)
    try:
        fail(held)
    except OwnError as raised:
        seen: Any = exc.error_for_caller(raised, operation="C.m", actor_name="a")
    kept: Any = exc.without_frames(seen)
    assert type(kept) is type(seen)
    assert issubclass(type(kept), KeyError)
    assert str(kept) == "first"
    assert (kept.remote_type, kept.remote_traceback) == (seen.remote_type, seen.remote_traceback)
    assert str(kept.__cause__) == str(exc.RemoteTraceback(seen.remote_traceback))
    assert (kept.actor_name, kept.recoverable, kept.count, kept.kinds) == ("a", True, 3, ["a", "b"])
    assert isinstance(kept.cause, exc.PulsingBusinessError)
    assert isinstance(kept.cause, ValueError)
    assert kept.cause.message == "ValueError: beneath"
    assert not {"held", "mixture"} & vars(kept).keys()
    del held, seen
    gc.collect()
    assert freed() is None


def test_causes_that_go_round_are_cut_off() -> None:
    error = exc.PulsingSystemError("again")
    error.cause = error
    depth, kept = 0, exc.without_frames(error)
    while isinstance(kept, exc.PulsingSystemError) and isinstance(kept.cause, exc.PulsingError):
        depth, kept = depth + 1, kept.cause
    assert depth == 5


def test_whether_a_message_may_have_run_is_told_where_it_is_known() -> None:
    never: list[Any] = [exc.ActorNotFound("x"), exc.MailboxFull("x", 1), exc.NodeNotFound(1), exc.Overloaded("x", 1)]
    assert [error.maybe_executed for error in never] == [False] * 4
    assert exc.DeadlineExceeded("m", 1.0).maybe_executed
    assert exc.LinkLost(1).maybe_executed
    assert not exc.NodeDead(1).maybe_executed


def test_only_known_classes_are_ever_rebuilt() -> None:
    assert set(exc.PULSING_ERRORS) >= set(exc.__all__)
    assert "Exception" not in exc.BUILTIN_ERRORS
    assert all(issubclass(cls, Exception) for cls in exc.BUILTIN_ERRORS.values())
    make_mixed: Any = exc.mixed
    for cls in exc.BUILTIN_ERRORS.values():
        mixed: Any = make_mixed(exc.PulsingSystemError, cls)
        assert issubclass(mixed, cls)
        assert isinstance(exc.rebuild((exc.PulsingSystemError, cls), ("text",), {}), cls)
        assert mixed.__name__ == "PulsingSystemError"
        assert make_mixed(exc.PulsingSystemError, cls) is mixed


def test_every_error_has_a_docstring() -> None:
    assert [name for name in exc.__all__ if not getattr(exc, name).__doc__] == []
