"""Programs written for Ray's actors run without Ray."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import pulsing as pul
from pulsing.core.helpers import run_sync
from pulsing.exceptions import NotInitialized
from pulsing.integrations.ray_compat import RemoteClass, ray


class Log:
    def __init__(self, *first: str, name: str = "log") -> None:
        if name == "bad":
            raise ValueError("a bad name")
        self.lines = list(first)
        self.name = name
        self.open = threading.Event()

    def add(self, line: str) -> list[str]:
        self.lines.append(line)
        return list(self.lines)

    async def named(self) -> str:
        return self.name

    def fail(self) -> None:
        raise KeyError("gone")

    def wait(self) -> str:
        self.open.wait(30)
        return "waited"

    async def release(self) -> None:
        self.open.set()

    def add_to(self, other: Any, line: str) -> list[str]:
        lines: list[str] = ray.get(other.add.remote(line), timeout=30)
        return lines

    async def add_to_later(self, other: Any, line: str) -> list[str]:
        lines: list[str] = await other.add.remote(line)
        return lines

    async def block(self, ref: Any) -> None:
        ray.get(ref[0])


@pytest.fixture(scope="module", autouse=True)
def background_loop() -> None:
    """The loop of sync code stays for the life of the process: no single test is to account for it."""
    run_sync(asyncio.sleep(0))


@pytest.fixture
def logs() -> Iterator[RemoteClass[Log]]:
    ray.init()
    yield ray.remote(Log)
    ray.shutdown()


def test_calls_are_kept_in_order_and_values_are_got(logs: RemoteClass[Log]) -> None:
    log = logs.remote("a", name="mine")
    refs = [log.add.remote("b"), log.add.remote("c")]

    assert ray.get(refs) == [["a", "b"], ["a", "b", "c"]]
    assert ray.get(log.named.remote()) == "mine"


def test_what_is_raised_is_raised_by_get_and_by_the_constructor_at_once(logs: RemoteClass[Log]) -> None:
    with pytest.raises(KeyError):
        ray.get(logs.remote().fail.remote())
    with pytest.raises(ValueError, match="a bad name"):
        logs.remote(name="bad")


def test_a_ref_may_be_an_argument_and_later_calls_wait_for_it(logs: RemoteClass[Log]) -> None:
    slow, log = logs.remote(), logs.remote()
    first = log.add.remote(slow.wait.remote())
    second = log.add.remote("second")
    ray.get(slow.release.remote())

    assert ray.get([first, second]) == [["waited"], ["waited", "second"]]
    assert ray.get(log.add.remote(ray.put("third")))[-1] == "third"


def test_actors_wait_for_actors_in_threads_and_in_coroutines(logs: RemoteClass[Log]) -> None:
    one, two = logs.remote(), logs.remote()

    assert ray.get(one.add_to.remote(two, "a")) == ["a"]
    assert ray.get(one.add_to_later.remote(two, "b")) == ["a", "b"]


def test_to_block_the_loop_is_refused(logs: RemoteClass[Log]) -> None:
    slow = logs.remote()
    with pytest.raises(RuntimeError, match="use 'await ref'"):
        ray.get(slow.block.remote([slow.wait.remote()]))
    ray.get(slow.release.remote())


def test_a_timeout_leaves_the_call_at_work(logs: RemoteClass[Log]) -> None:
    slow = logs.remote()
    ref = slow.wait.remote()
    with pytest.raises(TimeoutError, match=r"1 of 1 values are not there within 0\.01 s"):
        ray.get(ref, timeout=0.01)
    ray.get(slow.release.remote())

    assert ray.get(ref) == "waited"


def test_wait_gives_the_first_that_are_there(logs: RemoteClass[Log]) -> None:
    slow, quick = logs.remote(), logs.remote()
    refs = [slow.wait.remote(), quick.add.remote("a"), quick.fail.remote()]

    ready, rest = ray.wait(refs, num_returns=2)
    assert (ready, rest) == (refs[1:], refs[:1])
    assert ray.wait(refs, num_returns=3, timeout=0.01) == (refs[1:], refs[:1])
    ready, rest = ray.wait(refs)
    assert len(ready) == 1 and len(rest) == 2
    ray.get(slow.release.remote())
    assert ray.wait(refs, num_returns=3, timeout=30) == (refs, [])


@pytest.mark.parametrize("number", [0, 3])
def test_wait_refuses_numbers_that_make_no_sense(logs: RemoteClass[Log], number: int) -> None:
    with pytest.raises(ValueError, match=r"between 1 and the number of refs \(2\)"):
        ray.wait([ray.put(1), ray.put(2)], num_returns=number)
    one = ray.put(1)
    with pytest.raises(ValueError, match="once"):
        ray.wait([one, one])


@pytest.mark.parametrize("wrong", [3, "ref", [3], {}])
def test_what_is_no_ref_is_refused(wrong: Any) -> None:
    for function in (ray.get, ray.wait):
        with pytest.raises(TypeError, match="ObjectRef"):
            function(wrong)


def test_a_forgotten_remote_is_told(logs: RemoteClass[Log]) -> None:
    with pytest.raises(TypeError, match=r"Log.remote"):
        logs()
    with pytest.raises(TypeError, match=r"method.remote"):
        logs.remote().add("a")
    with pytest.raises(AttributeError):
        logs.remote().no_such_method


def test_a_second_start_is_an_error_unless_that_is_ignored() -> None:
    ray.init()
    try:
        with pytest.raises(RuntimeError, match="Already initialized"):
            ray.init()
        ray.init(ignore_reinit_error=True)
        assert ray.is_initialized() and pul.is_initialized()
    finally:
        ray.shutdown()
    ray.shutdown()
    assert not ray.is_initialized()


def test_without_a_start_there_are_no_actors_and_after_the_end_no_calls() -> None:
    with pytest.raises(NotInitialized):
        ray.remote(Log).remote()
    ray.init()
    log = ray.remote(Log).remote()
    ray.shutdown()
    with pytest.raises(NotInitialized):
        log.add.remote("a")
