"""What traces the records of a bucket belong to, in a set of their own that there is only where somebody traces."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulsing.streaming.backends.redis_server import Server

Run = tuple[int, int, bytes]
"""Offset of the first record, how many they are, and the trace context of their put."""

_RUN = struct.Struct(">QQ25s")


async def keep(server: Server, key: str, runs: Sequence[Run], earliest: int) -> None:
    """Keep of which puts some records are, which are in the server already; those that were trimmed are forgotten."""
    await server.ask("zadd", key, {_RUN.pack(*run): run[0] for run in runs})
    before = await _before(server, key, earliest)
    await server.ask("zremrangebyscore", key, "-inf", f"({before}")


async def kept(server: Server, key: str, first: int, end: int) -> list[Run]:
    """The runs that have records from `first` up to before `end`."""
    found = await server.ask("zrangebyscore", key, await _before(server, key, first), f"({end}")
    runs = [(place, count, context) for place, count, context in map(_RUN.unpack, found)]
    return [run for run in runs if run[0] + run[1] > first]


async def _before(server: Server, key: str, offset: int) -> int:
    """Where the one run begins that may reach beyond an offset from before it: runs stand side by side."""
    found = await server.ask("zrevrangebyscore", key, offset, "-inf", start=0, num=1)
    return int(_RUN.unpack(found[0])[0]) if found else 0
