"""Commands that are a node: one that serves what a module defines, and one that is a single actor."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from pulsing.cli.arguments import parse_value
from pulsing.cli.errors import USAGE, CliError
from pulsing.cli.output import write_line

if TYPE_CHECKING:
    from pulsing import ActorSystem

Addr = Annotated[str, typer.Option("--addr", help="Where the node listens: host:port, port 0 for any free one.")]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Nodes to join: host:port, separated by commas.")]
AdminAddr = Annotated[str | None, typer.Option("--admin-addr", help="Where the admin plane listens.")]
NoAdmin = Annotated[bool, typer.Option("--no-admin", help="No REST, metrics and dashboard on this node.")]

_ANY_PORT = "127.0.0.1:0"


@dataclass(frozen=True)
class NodeOptions:
    """How a node is to be started."""

    addr: str
    seeds: tuple[str, ...]
    admin: bool | None
    admin_addr: str | None

    @classmethod
    def read(cls, addr: str, seeds: str | None, admin_addr: str | None, no_admin: bool) -> NodeOptions:
        """The options as they were typed."""
        listed = tuple(seed.strip() for seed in (seeds or "").split(",") if seed.strip())
        return cls(addr, listed, False if no_admin else None, admin_addr)


def serve(
    module: Annotated[
        str | None, typer.Argument(help="A module to import, so that its classes can be spawned.")
    ] = None,
    addr: Addr = _ANY_PORT,
    seeds: Seeds = None,
    admin_addr: AdminAddr = None,
    no_admin: NoAdmin = False,
) -> None:
    """Run a node until it is told to stop (Ctrl-C or SIGTERM; the second one stops it at once)."""
    if module is not None:
        import_object(module)
    options = NodeOptions.read(addr, seeds, admin_addr, no_admin)
    _run(options, _nothing_more)


def actor(
    class_path: Annotated[str, typer.Argument(metavar="MODULE.CLASS", help="The class of the actor.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="After --: its arguments, VALUE or KEY=VALUE.")] = None,
    name: Annotated[str, typer.Option(help="The actor's name.")] = "worker",
    addr: Addr = _ANY_PORT,
    seeds: Seeds = None,
    admin_addr: AdminAddr = None,
    no_admin: NoAdmin = False,
) -> None:
    """Run a node with one public actor."""
    cls = import_object(class_path)
    positional, keywords = constructor_arguments(cls, arguments or [])
    options = NodeOptions.read(addr, seeds, admin_addr, no_admin)

    async def start_actor(system: ActorSystem) -> None:
        if hasattr(cls, "spawn"):
            await cls.with_options(name=name, system=system).spawn(*positional, **keywords)
        else:
            await system.spawn(cls(*positional, **keywords), name=name, public=True)
        write_line(f"actor      {name}")

    _run(options, start_actor)


def import_object(path: str) -> Any:
    """Import `module`, `module:object` or `module.object`.

    Raises:
        CliError: there is no such module or object.
    """
    # As with `python -m`: what is in the current directory can be imported.
    if "" not in sys.path:
        sys.path.insert(0, "")
    module, colon, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute) if colon else _import_dotted(path)
    except (ImportError, AttributeError) as error:
        raise CliError(f"cannot import {path!r}: {error}", exit_code=USAGE) from error


def constructor_arguments(cls: Any, words: list[str]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a constructor from words, `VALUE` or `key=value`, converted by its annotations.

    Raises:
        CliError: the constructor does not take them.
    """
    constructor = inspect.unwrap(cls)
    signature = inspect.signature(constructor)
    positional = [word for word in words if not _is_keyword(word, signature)]
    keywords = dict(word.split("=", 1) for word in words if _is_keyword(word, signature))
    try:
        bound = signature.bind(*positional, **keywords)
    except TypeError as error:
        raise CliError(f"{constructor.__name__}: {error}", exit_code=USAGE) from error
    hints = get_type_hints(constructor.__init__)
    for name, value in bound.arguments.items():
        bound.arguments[name] = _converted(value, hints.get(name))
    return list(bound.args), bound.kwargs


def _is_keyword(word: str, signature: inspect.Signature) -> bool:
    key, found, _ = word.partition("=")
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())
    return bool(found) and (key in signature.parameters or (takes_any and key.isidentifier()))


def _converted(value: Any, hint: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_converted(one, hint) for one in value)
    if isinstance(value, dict):
        return {key: _converted(one, hint) for key, one in value.items()}
    return value if hint is str else parse_value(value)


def _import_dotted(path: str) -> Any:
    module, _, attribute = path.rpartition(".")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        # Only when it is this path that is missing, not something that the module imports.
        if not module or not path.startswith(error.name or path):
            raise
        return getattr(importlib.import_module(module), attribute)


async def _nothing_more(system: ActorSystem) -> None:
    return


def _run(options: NodeOptions, begin: Callable[[ActorSystem], Awaitable[None]]) -> None:
    install_fast_loop()
    asyncio.run(_node(options, begin))


async def _node(options: NodeOptions, begin: Callable[[ActorSystem], Awaitable[None]]) -> None:
    import pulsing as pul
    from pulsing.admin.serving import login_link

    asked_to_stop = _stop_signals()
    try:
        system = await pul.init(
            options.addr, seeds=list(options.seeds) or None, admin=options.admin, admin_addr=options.admin_addr
        )
    except (pul.PulsingRuntimeError, ValueError) as error:
        raise CliError(f"the node cannot start: {error}") from error
    try:
        await begin(system)
        for line in introduction(system.addr, system.admin_url, await login_link(system)):
            write_line(line)
        sys.stdout.flush()
        await asked_to_stop.wait()
    finally:
        await pul.shutdown()


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
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        if asked.is_set():
            os._exit(128 + number)
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return asked


def install_fast_loop() -> None:
    """Use uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
