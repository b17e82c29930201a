"""What every test gets: a loop to run on, a home of its own, and an account of what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from pulsing.testing import assert_no_leaks

T = TypeVar("T")

Run = Callable[[Coroutine[Any, Any, T]], T]

_homes = itertools.count()


def pytest_configure() -> None:
    let_interrupts_through()
    keep_bytecode()
    let_examples_take_their_time()


def let_interrupts_through() -> None:
    """Let programs that tests start be interrupted, also where a shell started pytest in the background.

    Such a shell lets its jobs ignore SIGINT, their children inherit that, and Python then raises no KeyboardInterrupt.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def keep_bytecode() -> None:
    """Let this process and its children keep what they compile, also where the environment asks not to.

    Images of containers ask for that, and then each of the hundreds of programs that tests start compiles Pulsing anew.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def let_examples_take_their_time() -> None:
    """Have no example of hypothesis fail because a busy machine was slow to run or to think of it."""
    with contextlib.suppress(ImportError):
        from hypothesis import HealthCheck, settings

        settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile("unhurried")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is an `async def` on a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names if name in pyfuncitem.funcargs}
    _run(pyfuncitem.obj(**arguments), check=not _shares_resources(pyfuncitem))
    return True


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Run[Any]:
    """A function that runs one coroutine on a loop of its own and fails if that leaves tasks behind."""
    check = not _shares_resources(request.node)
    return lambda coroutine: _run(coroutine, check)


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep tests away from the user's files, and the user's settings away from tests."""
    home = tmp_path_factory.getbasetemp() / f"home-{next(_homes)}"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    for name in [name for name in os.environ if name.startswith("PULSING_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest, own_home: None) -> Iterator[None]:
    """Fail a test after which a thread, a descriptor or a process is left that was not there before."""
    if _shares_resources(request.node):
        yield
        return
    with assert_no_leaks():
        yield


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def require_browser() -> str:
    """The path of Chromium. Without one the test is skipped at a desk and fails in CI."""
    return _require("chromium")


@pytest.fixture(scope="session")
def require_redis() -> str:
    """The path of redis-server. Without one the test is skipped at a desk and fails in CI."""
    return _require("redis-server")


def _require(program: str) -> str:
    found = shutil.which(program)
    if found:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(f"{program} is missing; `make test` installs it")
    pytest.skip(f"{program} is missing")


def _shares_resources(item: pytest.Item) -> bool:
    return item.get_closest_marker("shared_resources") is not None


def _run(coroutine: Coroutine[Any, Any, T], check: bool) -> T:
    return asyncio.run(_account_for(coroutine) if check else coroutine)


async def _account_for(coroutine: Coroutine[Any, Any, T]) -> T:
    async with assert_no_leaks():
        return await coroutine
