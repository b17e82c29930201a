"""The process that Ray starts for one actor of ours: an actor of Ray's that serves a bootstrap until that is over."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from dataclasses import replace

from pulsing.exceptions import PulsingRuntimeError
from pulsing.placement.bootstrap import Bootstrap
from pulsing.placement.child import serve
from pulsing.transport.address import split_address


class Host:
    """Runs a guest of the node that asked Ray for this process."""

    def __init__(self) -> None:
        self._serving: asyncio.Task[None] | None = None

    async def pid(self) -> int:
        """The number of this process; the answer tells that Ray has found a place for it."""
        return os.getpid()

    async def serve(self, data: bytes, parent_place: str) -> None:
        """Serve a bootstrap, and leave Ray when it is over.

        Args:
            data: the bootstrap.
            parent_place: the id of Ray's node on which the one that asks is.
        """
        import ray

        bootstrap = Bootstrap.from_bytes(data)
        here = ray.util.get_node_ip_address()
        same_place = ray.get_runtime_context().get_node_id() == parent_place
        bootstrap = replace(bootstrap, host=interface_of(here, bootstrap.parent_addr, same_place))
        self._serving = asyncio.ensure_future(serve(bootstrap))
        await asyncio.wait([self._serving])
        if self._serving.cancelled() or self._serving.exception() is None:
            # Ends the process in order; the one that asked sees that it is gone.
            ray.actor.exit_actor()
        raise PulsingRuntimeError(str(self._serving.exception()))

    async def end(self) -> None:
        """Have it over with."""
        if self._serving is not None:
            self._serving.cancel()


def interface_of(here: str, parent_addr: str, same_place: bool) -> str:
    """Where a process listens so that the node that asked for it reaches it, and it that node.

    Raises:
        PulsingRuntimeError: that node listens on the loopback interface of another machine.
    """
    parent = split_address(parent_addr)[0]
    if not _is_loopback(parent) or _is_loopback(here):
        return here
    if same_place:
        return parent
    raise PulsingRuntimeError(
        f"the node that spawns listens on {parent_addr}, where Ray's node {here} cannot reach it: "
        "start it by init_inside_ray(), or with an address of its own"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
