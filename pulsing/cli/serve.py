"""Commands that are a node: one that serves what a module defines, and one that is a single actor."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pulsing.cli.actor_class import constructor_arguments, import_actor_class, import_object
from pulsing.cli.arguments import parse_filters
from pulsing.cli.config import check_settings, read_settings
from pulsing.cli.errors import USAGE, CliError
from pulsing.cli.output import write_line

if TYPE_CHECKING:
    import asyncio

    from pulsing import ActorSystem
    from pulsing.core import Terminated
    from pulsing.settings import Settings

    Begin = Callable[[ActorSystem], Awaitable[asyncio.Future[Terminated] | None]]

_GROUP = "Node"

Addr = Annotated[
    str | None,
    typer.Option("--addr", help="Where it listens: host:port, port 0 for any free one.", rich_help_panel=_GROUP),
]
Seeds = Annotated[
    str | None, typer.Option("--seeds", help="Nodes to join: host:port, with commas.", rich_help_panel=_GROUP)
]
Head = Annotated[bool, typer.Option("--head", help="Be the head node.", rich_help_panel=_GROUP)]
HeadAddr = Annotated[str | None, typer.Option("--head-addr", help="Join this head node.", rich_help_panel=_GROUP)]
AdminAddr = Annotated[
    str | None, typer.Option("--admin-addr", help="Where the admin plane listens.", rich_help_panel=_GROUP)
]
NoAdmin = Annotated[bool, typer.Option("--no-admin", help="No REST, metrics and dashboard.", rich_help_panel=_GROUP)]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="The admin plane refuses every action.", rich_help_panel=_GROUP)
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="File of settings to read.", rich_help_panel=_GROUP)]
Others = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Any setting; `pulsing config show` lists them.",
        rich_help_panel=_GROUP,
    ),
]

_ANY_PORT = "127.0.0.1:0"


def serve(
    module: Annotated[
        str | None, typer.Argument(help="A module to import, so that its classes can be spawned.")
    ] = None,
    addr: Addr = None,
    seeds: Seeds = None,
    head: Head = False,
    head_addr: HeadAddr = None,
    name: Annotated[str | None, typer.Option(help="What people call the node.", rich_help_panel=_GROUP)] = None,
    admin_addr: AdminAddr = None,
    no_admin: NoAdmin = False,
    read_only: ReadOnly = False,
    config: ConfigFile = None,
    others: Others = None,
) -> None:
    """Run a node until it is told to stop (Ctrl-C or SIGTERM; the second one stops it at once)."""
    flags = node_flags(others, addr, seeds, head, head_addr, admin_addr, no_admin, read_only)
    settings = read_settings(config, {**flags, **({} if name is None else {"node.name": name})})
    if module is not None:
        import_object(module)
    _run(settings, _nothing_more)


def actor(
    class_path: Annotated[str, typer.Argument(metavar="MODULE.CLASS", help="The class of the actor.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="After --: its arguments, VALUE or KEY=VALUE.")] = None,
    name: Annotated[str, typer.Option(help="The actor's name.")] = "worker",
    addr: Addr = None,
    seeds: Seeds = None,
    head: Head = False,
    head_addr: HeadAddr = None,
    admin_addr: AdminAddr = None,
    no_admin: NoAdmin = False,
    read_only: ReadOnly = False,
    config: ConfigFile = None,
    others: Others = None,
) -> None:
    """Run a node with one public actor, and end with it when it has failed for good."""
    flags = node_flags(others, addr, seeds, head, head_addr, admin_addr, no_admin, read_only)
    settings = read_settings(config, flags)
    cls = import_actor_class(class_path)
    _check_name(name)
    positional, keywords = constructor_arguments(cls, arguments or [])

    async def start_actor(system: ActorSystem) -> asyncio.Future[Terminated]:
        if hasattr(cls, "spawn"):
            ref = (await cls.with_options(name=name, system=system).spawn(*positional, **keywords)).ref
        else:
            ref = await system.spawn(cls(*positional, **keywords), name=name, public=True)
        write_line(f"actor      {name}")
        end: asyncio.Future[Terminated] = ref.watch()
        return end

    _run(settings, start_actor)


def node_flags(
    others: list[str] | None,
    addr: str | None,
    seeds: str | None,
    head: bool,
    head_addr: str | None,
    admin_addr: str | None,
    no_admin: bool,
    read_only: bool,
) -> dict[str, Any]:
    """What the flags of a node set, by the key of the setting; a flag of its own comes before `--set`.

    Raises:
        CliError: a word of `--set` is not key=value.
    """
    given = {
        "addr": addr,
        "seeds": seeds,
        "is_head_node": head or None,
        "head_addr": head_addr,
        "admin.addr": admin_addr,
        "admin.enabled": False if no_admin else None,
        "admin.read_only": read_only or None,
    }
    named = {key: value for key, value in given.items() if value is not None}
    return {**dict(parse_filters(others or [])), **named}


def _check_name(name: str) -> None:
    from pulsing.core.registry import actor_path

    try:
        actor_path(name)
    except ValueError as error:
        raise CliError(str(error), exit_code=USAGE) from error


async def _nothing_more(system: ActorSystem) -> None:
    return


def _run(settings: Settings, begin: Begin) -> None:
    from pulsing.cli.logs import show_log

    show_log(settings["logs.level"].value, settings["logs.format"].value)
    check_settings(settings)
    run_fast(_node(settings, begin))


async def _node(settings: Settings, begin: Begin) -> None:
    import pulsing as pul
    from pulsing import runtime
    from pulsing.admin.serving import login_link
    from pulsing.config import system_config

    asked_to_stop = _stop_signals()
    config = system_config(settings)
    if config.addr is None and not config.contacts:
        config = replace(config, addr=_ANY_PORT)
    try:
        system = await runtime.start_system(config)
    except pul.PulsingRuntimeError as error:
        raise CliError(f"the node cannot start: {error}") from error
    except ValueError as error:
        raise CliError(f"the node cannot start: {error}", exit_code=USAGE) from error
    except OSError as error:
        raise CliError(f"the node cannot start: {error.strerror or error}") from error
    runtime.share(system)
    try:
        end = await begin(system)
        for line in introduction(system.addr, system.admin_url, await login_link(system)):
            write_line(line)
        sys.stdout.flush()
        await _until(asked_to_stop, end)
    finally:
        await pul.shutdown()


async def _until(asked_to_stop: asyncio.Event, end: asyncio.Future[Terminated] | None) -> None:
    """Wait until the node is told to stop.

    Args:
        asked_to_stop: set when it is.
        end: of the actor without which the node is of no use; None where there is none.

    Raises:
        CliError: that actor has failed for good.
    """
    import asyncio

    asked = asyncio.ensure_future(asked_to_stop.wait())
    if end is not None:
        waits: list[asyncio.Future[Any]] = [asked, end]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    if not asked.done() and end is not None and (how := end.result()).error is not None:
        raise CliError(f"the actor {str(how.name).removeprefix('actors/')} has failed: {how.error}")
    await asked


def introduction(addr: str, admin_url: str | None, login: str | None) -> list[str]:
    """What a node says at its start: where it is, and what to do next."""
    lines = [f"node       {addr}"]
    if admin_url is not None:
        lines += [f"admin      {admin_url}", f"dashboard  {login}"]
        lines += [f"try        pulsing {command}" for command in ("status", "list actors", "events -f")]
    lines.append(f"join       pulsing serve --seeds {addr}")
    return lines


def _stop_signals() -> asyncio.Event:
    """An event that the first SIGINT or SIGTERM sets; the second ends the process."""
    import asyncio

    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if asked.is_set():
            os._exit(128 + number)
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return asked


def run_fast(work: Coroutine[Any, Any, None]) -> None:
    """Run to its end, on uvloop where that is installed."""
    import asyncio

    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)
