"""Pickled values travel where both ends said so, and run nowhere else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
from pulsing.exceptions import NotSendable
from pulsing.testing import wait_until
from pulsing.wire import Codec, FrameCodec
from pulsing.wire.frames import Ask, Failure
from tests.integration.hostile import rogue, siege


class Unknown:
    """Neither registered nor able to describe its own fields."""

    def __init__(self, content: object) -> None:
        self.content = content

    def __eq__(self, other: object) -> bool:
        return type(other) is Unknown and other.content == self.content

    __hash__ = None  # type: ignore[assignment]


class Canary:
    """Runs a command when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.file}",)


@pul.remote
class Mirror:
    def __init__(self) -> None:
        self.seen = 0

    def echo(self, value: Any) -> Any:
        self.seen += 1
        return value

    def count(self) -> int:
        return self.seen


@pytest.mark.parametrize(("here", "there"), [(True, True), (True, False), (False, True), (False, False)])
async def test_both_ends_have_to_agree_to_pickle(here: bool, there: bool) -> None:
    cls: Any = Mirror
    owner = await pul.actor_system("127.0.0.1:0", admin=False, allow_pickle=there)
    user = await pul.actor_system("127.0.0.1:0", admin=False, allow_pickle=here, seeds=[owner.addr])
    try:
        await cls.spawn(name="mirror", system=owner)
        mirror = await cls.resolve("mirror", system=user, timeout=10)
        if here and there:
            assert await mirror.echo(Unknown([1, 2])) == Unknown([1, 2])
        else:
            with pytest.raises(NotSendable, match="register_type") as refused:
                await mirror.echo(Unknown([1, 2]))
            assert "Unknown" in refused.value.type_name and "allow_pickle" in str(refused.value)
            assert refused.value.maybe_executed is False
            assert await mirror.count() == 0
    finally:
        await user.shutdown(drain=0)
        await owner.shutdown(drain=0)


async def test_a_pickle_that_nobody_agreed_to_is_not_run(tmp_path: Path) -> None:
    file = tmp_path / "it_ran"
    willing = FrameCodec(Codec(allow_pickle=True))
    async with siege() as under, rogue(under.addr) as peer:
        for number, value in enumerate((Canary(file), [Canary(file)], {"a": Canary(file)}), 1):
            ask = Ask(number, under.actor_number, "echo", (value,), sequence=number)
            peer.send(willing.encode(ask).head)
        await wait_until(
            lambda: peer.ended.done() or sum(type(frame) is Failure for frame in peer.received) == 3, timeout=20
        )
        await under.check()
    assert not file.exists()


def test_the_canary_would_run(tmp_path: Path) -> None:
    file = tmp_path / "it_ran"
    both = Codec(allow_pickle=True)
    both.decode(both.encode(Canary(file)))
    assert file.exists()
