"""What runs in the process of an actor: a node that is a guest of the one that started it, and ends with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
from typing import Any

from pulsing.config import SystemConfig, TLSConfig
from pulsing.core.actor_class import ActorClass
from pulsing.core.service import system_spec
from pulsing.core.system import System
from pulsing.exceptions import PulsingError, PulsingRuntimeError
from pulsing.ids import ActorId, NodeId
from pulsing.logs import logger_of
from pulsing.placement.bootstrap import Bootstrap
from pulsing.placement.guest import GUEST, GUEST_NUMBER, Guest, codec_of
from pulsing.placement.local import SIZE
from pulsing.placement.origin import load
from pulsing.runtime import ActorSystem, share, start_system
from pulsing.transport.address import join_address

logger = logger_of("pulsing.placement")

_ORPHANED = 70
"""Exit code of a child whose parent is gone; nobody is left to read it but a process table."""
_PR_SET_PDEATHSIG = 1


def main(pipe: int) -> None:
    """Serve what is told by an inherited pipe, for as long as that is open."""
    with contextlib.suppress(EOFError):
        bootstrap = Bootstrap.from_bytes(_read(pipe, SIZE.unpack(_read(pipe, SIZE.size))[0]))
        _die_with(bootstrap.parent_pid)
        threading.Thread(target=_end_with, args=(pipe,), name="pulsing-parent", daemon=True).start()
        sys.path[:] = bootstrap.sys_path
        sys.argv[:] = bootstrap.argv
        if bootstrap.uvloop:
            import uvloop

            uvloop.run(serve(bootstrap))
        else:
            asyncio.run(serve(bootstrap))


async def serve(bootstrap: Bootstrap) -> None:
    """Be a guest until the actor's own node says that it is over, or is gone."""
    # On the loop, so that a script that would start a system of its own here finds that it cannot.
    loaded = _load(bootstrap)
    _log_to_stderr(bootstrap)
    guests: list[Guest] = []
    system = await _start(bootstrap, lambda inner: guests.append(_prepare(inner, bootstrap, loaded)))
    guest = guests[0]
    share(system)
    guest.ready.set()
    try:
        with _signals(guest.over):
            system.inner.router.watch(ActorId.from_str(bootstrap.actor_id), lambda _: guest.over.set())  # type: ignore[union-attr]
            await guest.over.wait()
    finally:
        await system.inner.shutdown(drain=0)


def _load(bootstrap: Bootstrap) -> ActorClass[Any] | PulsingRuntimeError:
    try:
        return load(bootstrap.origin)
    except PulsingRuntimeError as error:
        return error


async def _start(bootstrap: Bootstrap, prepare: Any) -> ActorSystem:
    config = SystemConfig(
        addr=join_address(bootstrap.host, 0),
        seeds=(bootstrap.parent_addr,),
        cluster=bootstrap.cluster,
        tls=None if bootstrap.tls is None else TLSConfig(*bootstrap.tls),
        allow_pickle=bootstrap.allow_pickle,
        join_timeout=bootstrap.start_timeout,
        admin=False,
        node_name=bootstrap.node_name,
    )
    try:
        return await start_system(config, node_id=NodeId.from_str(bootstrap.node_id), before_joining=prepare)
    except PulsingError as error:
        raise SystemExit(f"the process of an actor cannot join its node: {error}") from error


def _prepare(system: System, bootstrap: Bootstrap, loaded: ActorClass[Any] | PulsingRuntimeError) -> Guest:
    system.credentials = bootstrap.credentials
    system.guest_of = NodeId.from_str(bootstrap.parent_id)
    system.creates_for_others = bootstrap.may_create
    codec = codec_of(system, bootstrap.allow_pickle)
    guest = Guest(system, ActorId.from_str(bootstrap.actor_id), bootstrap.key, loaded, codec)
    system.start_actor(guest, system_spec(Guest), name=GUEST, number=GUEST_NUMBER)
    return guest


@contextlib.contextmanager
def _signals(over: asyncio.Event) -> Any:
    """End on SIGTERM. Ctrl-C does nothing, by a handler: what is ignored would be ignored by programs started here."""
    loop = asyncio.get_running_loop()
    handlers = {signal.SIGTERM: over.set, signal.SIGINT: lambda: None}
    try:
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
    except (ValueError, RuntimeError):
        # Not on the main thread: the process belongs to an engine, which has its own way to end it.
        handlers = {}
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _log_to_stderr(bootstrap: Bootstrap) -> None:
    """Write the log beside that of the parent, unless the module of the class has set up its own."""
    label = bootstrap.node_name.replace("%", "%%")
    logging.basicConfig(
        level=bootstrap.log_level, format=f"[{label} {os.getpid()}] %(levelname)s %(name)s: %(message)s"
    )


def _read(pipe: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(pipe, size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def _end_with(pipe: int) -> None:
    """Wait for the end of the pipe, and end: the parent is gone, and with it everybody who could say so."""
    while os.read(pipe, 1):
        pass
    os._exit(_ORPHANED)


def _die_with(parent: int) -> None:
    """Have the kernel end this process with its parent: the thread that waits for the pipe may not get the GIL."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(_ORPHANED)
