"""What the process of an actor is told, and who may tell it."""

from __future__ import annotations

import sys

import pytest

import pulsing as pul
from pulsing.exceptions import Forbidden
from pulsing.ids import ActorId
from pulsing.placement.bootstrap import Bootstrap
from pulsing.placement.guest import Guest, codec_of
from pulsing.placement.launcher import Launch
from pulsing.placement.launchers import launcher_for, register_launcher
from pulsing.placement.local import LocalLauncher
from pulsing.placement.origin import Origin
from pulsing.testing import system

ROOT = b"\x17" * 32
KEY = b"\x2a" * 16

BOOTSTRAP = Bootstrap(
    node_id="f" * 16,
    parent_id="e" * 16,
    parent_addr="127.0.0.1:7000",
    host="127.0.0.1",
    node_name="here:worker",
    actor_id=f"{'e' * 16}:{16:016x}",
    cluster="pulsing",
    mode="token",
    roots=(ROOT,),
    tls=("ca.pem", "node.pem", "node.key"),
    allow_pickle=False,
    may_create=True,
    key=KEY,
    origin=Origin("jobs.Job", "jobs"),
    start_timeout=30.0,
    parent_pid=1,
    sys_path=("/somewhere",),
    argv=("job", "ünïcode"),
    log_level=30,
    uvloop=False,
)


class Counter:
    def __init__(self, start: int) -> None:
        self.count = start


Counting = pul.remote(Counter)


def test_it_arrives_as_it_was_sent() -> None:
    assert Bootstrap.from_bytes(BOOTSTRAP.to_bytes()) == BOOTSTRAP


def test_its_secrets_do_not_show() -> None:
    shown = repr(BOOTSTRAP) + repr(Launch(BOOTSTRAP.to_bytes(), "worker", {})) + repr(BOOTSTRAP.credentials)

    assert repr(ROOT) not in shown and repr(KEY) not in shown


async def test_the_roots_are_enough_for_the_links_of_the_cluster() -> None:
    assert [root.reveal() for root in await BOOTSTRAP.credentials.roots()] == [ROOT]


async def test_only_orders_with_the_key_are_carried_out() -> None:
    async with system() as made:
        codec = codec_of(made.inner, False)
        guest = Guest(made.inner, ActorId.of(7, 16), KEY, Counting, codec)
        guest.ready.set()
        orders = [
            guest.create(b"guess", codec.encode(((1,), {})), None, {}),
            guest.stop(b"guess", "stopped", 0.0),
            guest.said(b"guess"),
            guest.wait_for_end(b"guess"),
        ]

        for order in orders:
            with pytest.raises(Forbidden):
                await order


async def test_a_process_makes_one_actor_under_the_id_that_it_was_given() -> None:
    async with system() as made:
        codec = codec_of(made.inner, False)
        guest = Guest(made.inner, ActorId.of(7, 16), KEY, Counting, codec)
        guest.ready.set()
        arguments = codec.encode(((5,), {}))

        await guest.create(KEY, arguments, "actors/counter", {"mailbox": (10, "reject")})

        cell = made.inner.registry.by_id(ActorId.of(7, 16))
        assert cell is not None
        assert (cell.path, cell.actor.count, cell.spec.mailbox.policy) == ("actors/counter", 5, "reject")
        with pytest.raises(Forbidden):
            await guest.create(KEY, arguments, None, {"mailbox": (10, "reject")})


async def test_the_end_of_its_actor_is_told_with_the_error() -> None:
    async with system() as made:
        codec = codec_of(made.inner, False)
        guest = Guest(made.inner, ActorId.of(7, 16), KEY, Counting, codec)
        guest.ready.set()
        await guest.create(KEY, codec.encode(((5,), {})), None, {"mailbox": (10, "block")})
        cell = made.inner.registry.by_id(ActorId.of(7, 16))
        assert cell is not None
        error = pul.PulsingSystemError("broken", recoverable=False)
        cell.fail(error)

        assert await guest.wait_for_end(KEY) is error


def test_a_launcher_stands_behind_a_known_word() -> None:
    assert isinstance(launcher_for("process"), LocalLauncher)
    with pytest.raises(ValueError, match="'cloud'"):
        register_launcher("cloud", LocalLauncher())


async def test_ray_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(pul.PulsingRuntimeError, match=r"pulsing\[ray\]"):
        await launcher_for("ray").launch(Launch(b"", "counter", {}))
