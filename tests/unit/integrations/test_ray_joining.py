"""How a process gets in through what Ray's registry knows; a registry in memory stands for that of Ray."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import pulsing as pul
import pulsing.integrations.ray.joining as joining
from pulsing.integrations.ray.joining import Entry
from pulsing.integrations.ray.registry import Registry


class Handle:
    """The registry as Ray gives it: `method.remote(...)`, whose answer is awaited."""

    def __init__(self) -> None:
        self._registry = Registry(False)

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any) -> Any:
            return getattr(self._registry, name)(*args)

        return SimpleNamespace(remote=call)


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Handle:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: True))
    return Handle()


async def test_a_process_gets_in_through_those_that_are_known(handle: Handle) -> None:
    async with (
        await pul.actor_system("127.0.0.1:0", admin=False) as one,
        await pul.actor_system("127.0.0.1:0", admin=False) as two,
    ):
        await Entry(one.inner, handle, None).join()
        await Entry(two.inner, handle, None).join()

        assert len(two.inner.members_view()) == 2


async def test_nobody_is_waited_for_where_all_that_are_known_have_gone(
    handle: Handle, free_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(joining, "JOIN_TIMEOUT_S", 3600.0)
    handle._registry.register("gone", {"addr": f"127.0.0.1:{free_port}", "token": None})
    async with await pul.actor_system("127.0.0.1:0", admin=False) as one:
        await asyncio.wait_for(Entry(one.inner, handle, None).join(), 30.0)

    assert f"no process answers of those that Ray's registry knows: 127.0.0.1:{free_port}" in caplog.text
