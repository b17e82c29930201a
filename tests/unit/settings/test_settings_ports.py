"""Where any port would do, a node takes one of those that a firewall lets through."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack

import pytest

import pulsing as pul
from pulsing.config import SystemConfig
from pulsing.exceptions import AddressInUse
from pulsing.runtime import start_system


def four_free_ports() -> range:
    """Four ports in a row that nobody listens on; tests of other processes look elsewhere."""
    begin = 20_000 + os.getpid() % 500 * 20
    for first in range(begin, begin + 20, 4):
        with ExitStack() as held:
            try:
                for port in range(first, first + 4):
                    held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return range(first, first + 4)
    raise RuntimeError("no four free ports in a row")


async def test_nodes_listen_on_free_ports_of_the_range_alone() -> None:
    ports = four_free_ports()
    config = SystemConfig(addr="127.0.0.1:0", admin=False, ports=f"{ports[0]}-{ports[-1]}")
    async with await start_system(config) as one, await start_system(config.with_seeds([str(one.addr)])) as two:
        taken = {int(str(system.addr).rpartition(":")[2]) for system in (one, two)}
        assert taken < set(ports)
        assert len(await two.members()) == 2
        with pytest.raises(AddressInUse):
            await start_system(config)


async def test_a_port_that_is_named_is_taken_whatever_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = four_free_ports()
    monkeypatch.setenv("PULSING_PORTS", f"{ports[1]}-{ports[3]}")
    async with await pul.actor_system(f"127.0.0.1:{ports[0]}", admin=False) as system:
        assert system.addr == f"127.0.0.1:{ports[0]}"


@pytest.mark.parametrize("ports", ["7700", "7799-7700", "0-5", "1-65536", "a-b", "-"])
def test_what_is_no_range_is_refused(ports: str) -> None:
    with pytest.raises(ValueError, match="first and the last port"):
        SystemConfig(ports=ports)
