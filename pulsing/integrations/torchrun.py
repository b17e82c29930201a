"""Inside torchrun: the ranks of a process group find each other through its store, and form a cluster of their own.

The store is neither encrypted nor authenticated: addresses go into it, secrets do not. Ranks without a store in common
are told the address of rank 0 by a broadcast.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from pulsing.cluster.joining import interface_to
from pulsing.config import config_from
from pulsing.core.helpers import run_sync
from pulsing.exceptions import AuthFailed, JoinTimeout
from pulsing.integrations.sharing import shared_system
from pulsing.integrations.torch_broadcast import SEED_RANK, Broadcast
from pulsing.logs import logger_of
from pulsing.runtime import ActorSystem, get_system, is_initialized, start_system
from pulsing.transport.address import join_address

logger = logger_of("pulsing.torchrun")

INIT_TIMEOUT_S = 60.0
_STORE_TIMEOUT_S = 10.0
"""How long the store of torchrun may take to answer; it is up before any rank is."""
_LOOK_AGAIN_S = 0.05
_GRACE_S = 5.0
"""The deadlines below have their own, more telling errors, which are to come first."""


def init_in_torchrun() -> ActorSystem:
    """Start the process-wide system of this rank, on a background loop, and join rank 0.

    Every rank must call it, after `torch.distributed.init_process_group()`. After an elastic restart the ranks meet
    anew, though the store has outlived the earlier ones.

    Returns:
        The system; the one that there is, if there is one.

    Raises:
        ImportError: torch is not installed.
        RuntimeError: there is no process group.
        JoinTimeout: rank 0 did not come within 60 s, or does not answer.
        AuthFailed: rank 0 uses another secret.
    """
    ranks = _ranks_of_this_process()
    try:
        system = get_system() if is_initialized() else _start_and_join(ranks)
    except BaseException:
        ranks.give_up()
        raise
    ranks.publish(system.inner.addr)
    return system


@dataclass(frozen=True)
class Ranks:
    """The addresses of all ranks, in the store that they share."""

    store: Any
    """Of torch, or what has its `get`, `set` and `check`."""
    life: str
    """Which run and restart this is; the store may hold the addresses of earlier ones."""
    rank: int
    size: int
    host: str
    """The interface that leads to the others."""

    def publish(self, addr: str) -> None:
        """Tell the others where this rank listens."""
        self.store.set(self._key(self.rank), addr)

    def give_up(self) -> None:
        """Nothing is told: the others wait for an address, and say at their deadline whose."""

    def known(self) -> dict[int, str]:
        """The addresses of the other ranks that have told theirs."""
        others = (rank for rank in range(self.size) if rank != self.rank)
        return {rank: self.store.get(self._key(rank)).decode() for rank in others if self._has_told(rank)}

    def wait_for(self, rank: int, deadline: float) -> None:
        """Block until a rank has told its address.

        Raises:
            JoinTimeout: it has not by then.
        """
        while not self._has_told(rank):
            if time.monotonic() > deadline:
                raise JoinTimeout([f"rank {rank}"], INIT_TIMEOUT_S, ["it did not call init_inside_torchrun"])
            time.sleep(_LOOK_AGAIN_S)

    def _has_told(self, rank: int) -> bool:
        return bool(self.store.check([self._key(rank)]))

    def _key(self, rank: int) -> str:
        return f"pulsing/{self.life}/{rank}"


def _ranks_of_this_process(environment: Mapping[str, str] = os.environ) -> Ranks | Broadcast:
    """The ranks of the default process group."""
    try:
        import torch.distributed as dist
    except ImportError as error:
        raise ImportError("pulsing.integrations.torchrun requires torch: pip install torch") from error
    if not (dist.is_available() and dist.is_initialized()):
        raise RuntimeError("torch.distributed is not initialized, call torch.distributed.init_process_group() first")
    rank, size = dist.get_rank(), dist.get_world_size()
    host = interface_to(join_address(_contact(environment, size), int(environment.get("MASTER_PORT", "9"))))
    store = _store_of(dist, environment)
    if store is None:
        return Broadcast(dist, rank, host, INIT_TIMEOUT_S)
    run, restart = (environment.get(f"TORCHELASTIC_{name}", "") for name in ("RUN_ID", "RESTART_COUNT"))
    return Ranks(store, f"{run or 'none'}/{restart or '0'}", rank, size, host)


def _contact(environment: Mapping[str, str], size: int) -> str:
    """An address in whose direction the other ranks are; of ranks on several machines at least one is elsewhere."""
    alone = environment.get("LOCAL_WORLD_SIZE") == str(size)
    # An address for documentation: packets to it would leave by the default route.
    return environment.get("MASTER_ADDR") or ("127.0.0.1" if alone else "192.0.2.1")


def _store_of(dist: Any, environment: Mapping[str, str]) -> Any:
    """The store of the process group; where torch is too old to give it, that of torchrun by a connection of our own.

    None where neither can be had. All ranks of a job come to the same answer.
    """
    group = dist.group.WORLD
    if hasattr(group, "get_group_store"):
        return group.get_group_store()
    host, port = environment.get("MASTER_ADDR"), environment.get("MASTER_PORT")
    if not host or not port:
        return None
    try:
        # Asked first, because torch tries again for as long as it may, and fills the log with its stack.
        socket.create_connection((host, int(port)), _STORE_TIMEOUT_S).close()
        return dist.TCPStore(host, int(port), is_master=False, timeout=timedelta(seconds=_STORE_TIMEOUT_S))
    except (OSError, RuntimeError) as error:
        logger.info("no store of torchrun at %s:%s: %s", host, port, str(error).partition("\n")[0])
        return None


def _start_and_join(ranks: Ranks | Broadcast) -> ActorSystem:
    deadline = time.monotonic() + INIT_TIMEOUT_S
    if ranks.rank != SEED_RANK:
        ranks.wait_for(SEED_RANK, deadline)
    return run_sync(shared_system(lambda: _start(ranks, deadline)), timeout=INIT_TIMEOUT_S + _GRACE_S)


async def _start(ranks: Ranks | Broadcast, deadline: float) -> ActorSystem:
    known = ranks.known()
    # Rank 0 first, because the error of an attempt names the first one.
    seeds = tuple(known[rank] for rank in sorted(known)) if ranks.rank != SEED_RANK else ()
    config = config_from(
        addr=join_address(ranks.host, 0),
        seeds=seeds or None,
        join_timeout=max(1.0, deadline - time.monotonic()) if seeds else None,
    )
    # One dashboard shows all ranks.
    config = replace(config, admin=ranks.rank == SEED_RANK if config.admin is None else config.admin)
    try:
        return await start_system(config)
    except JoinTimeout as error:
        raise JoinTimeout([f"rank {SEED_RANK} at {seeds[0]}", *seeds[1:]], error.timeout, error.reasons) from None
    except AuthFailed as error:
        joining = f" cannot join rank {SEED_RANK}" if seeds else ""
        raise AuthFailed(error.addr, f"rank {ranks.rank}{joining}: {error.hint}") from None
