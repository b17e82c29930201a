"""The process-wide system for the length of a block."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pulsing.runtime import ActorSystem, init, shutdown


@asynccontextmanager
async def runtime(
    *,
    addr: str | None = None,
    seeds: list[str] | None = None,
    passphrase: str | None = None,
    head_addr: str | None = None,
    is_head_node: bool = False,
    **options: Any,
) -> AsyncIterator[ActorSystem]:
    """Start the process-wide system, and shut it down at the end of the block, however that comes.

    Args:
        addr, seeds, passphrase, head_addr, is_head_node, options: as for `pulsing.init`.

    Yields:
        The system. One that was running already is taken, and shut down at the end all the same.

    Raises:
        ValueError: an address or a combination makes no sense.
        AddressInUse, AuthFailed, JoinTimeout
    """
    system = await init(
        addr, seeds=seeds, passphrase=passphrase, head_addr=head_addr, is_head_node=is_head_node, **options
    )
    try:
        yield system
    finally:
        await shutdown()
