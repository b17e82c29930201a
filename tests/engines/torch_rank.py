"""One rank under torchrun: meets the others, calls each of them, and writes what it saw."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import torch.distributed as dist

import pulsing as pul
import pulsing.integrations.torchrun as torchrun
from pulsing.core.helpers import run_sync
from pulsing.testing import wait_until

LIMIT_S = 30.0


class Greeter:
    def __init__(self, rank: int) -> None:
        self.rank = rank

    def greet(self, other: int) -> str:
        return f"{self.rank} greets {other}"


def life() -> str:
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")


async def look_around(size: int) -> int:
    system = pul.get_system().inner
    await wait_until(lambda: sum(m.status.lower() == "alive" for m in system.members_view()) == size, LIMIT_S)
    return size


async def call_all(rank: int, size: int) -> list[str]:
    greeters = [await pul.resolve(f"rank-{life()}-{other}", timeout=LIMIT_S) for other in range(size)]
    return list(await asyncio.gather(*(greeter.as_any().greet(rank) for greeter in greeters)))


def store_of_this_life() -> dist.Store:
    """What the process group keeps, apart from what it kept in an earlier life.

    torchrun keeps its store over restarts, and torch writes into it under the same names again: a rank that is early
    would take the address at which another one listened before.
    """
    store = dist.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    return dist.PrefixStore(f"life-{life()}", store)


def main(mode: str, folder: str, *without: str) -> None:
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo", store=store_of_this_life(), rank=rank, world_size=size)
    for name in without:
        if name == "get_group_store":
            delattr(type(dist.group.WORLD), name)
        else:
            del os.environ[name]
    if mode == "absent":
        torchrun.INIT_TIMEOUT_S = 2.0
        if rank == 0:
            dist.barrier()
            return
    if mode == "refused" and rank == 0:
        os.environ["PULSING_PASSPHRASE_FILE"] = str(Path(folder) / "no such file")
    try:
        system = pul.init_inside_torchrun()
    except (pul.PulsingRuntimeError, OSError, ValueError) as error:
        write(folder, rank, {"error": type(error).__name__, "text": str(error)})
        dist.barrier()
        return
    assert pul.init_inside_torchrun() is system
    pul.mount(Greeter(rank), name=f"rank-{life()}-{rank}")
    seen = {"greetings": run_sync(call_all(rank, size)), "members": run_sync(look_around(size))}
    write(folder, rank, seen)
    dist.barrier()
    if mode == "restart" and life() == "0" and rank == 0:
        os._exit(1)  # the whole group begins again, and finds the store with what this life wrote
    dist.barrier()
    run_sync(pul.shutdown())
    dist.destroy_process_group()


def write(folder: str, rank: int, seen: object) -> None:
    (Path(folder) / f"{life()}-{rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
