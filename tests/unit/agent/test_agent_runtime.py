"""A block has the process-wide system, and leaves none."""

from __future__ import annotations

import asyncio

import pytest

import pulsing as pul
from pulsing.agent import runtime


async def test_the_system_of_the_block_is_the_shared_one_and_ends_with_it() -> None:
    async with runtime() as system:
        assert pul.get_system() is system

    assert not pul.is_initialized()


@pytest.mark.parametrize("error", [KeyError("mine"), asyncio.CancelledError()])
async def test_the_system_ends_when_the_block_fails(error: BaseException) -> None:
    with pytest.raises(type(error)):
        async with runtime():
            raise error

    assert not pul.is_initialized()


async def test_all_settings_of_init_are_taken(free_port: int) -> None:
    address = f"127.0.0.1:{free_port}"
    async with runtime(addr=address, cluster="lab", passphrase="a long secret", admin=False) as system:
        assert system.addr == address


async def test_settings_without_sense_leave_no_system() -> None:
    with pytest.raises(ValueError, match="Cannot set both"):
        async with runtime(addr="127.0.0.1:0", head_addr="127.0.0.1:1", is_head_node=True):
            pass

    assert not pul.is_initialized()


async def test_a_system_that_ran_before_is_taken_and_ended() -> None:
    before = await pul.init()
    async with runtime() as system:
        assert system is before

    assert not pul.is_initialized()


def test_each_loop_has_a_system_of_its_own() -> None:
    async def node() -> str:
        async with runtime() as system:
            return str(system.node_id)

    assert asyncio.run(node()) != asyncio.run(node())
