"""The options that every command for a running node has, declared once."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from pulsing.cli.errors import CliError
from pulsing.cli.output import Format

_GROUP = "Connection"
_ANSWER_S = 10.0

Endpoint = Annotated[
    str | None, typer.Option("--endpoint", help="URL of a node's admin plane.", rich_help_panel=_GROUP)
]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="File with its token.", rich_help_panel=_GROUP)]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Write nothing but errors; the exit code tells.", rich_help_panel=_GROUP)
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", min=0.01, help="Seconds to wait for an answer; 10 unless given.", rich_help_panel=_GROUP),
]

Output = Annotated[Format, typer.Option("--output", "-o", help="How to show it.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Show no colours.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the whole problem when it fails.", rich_help_panel=_GROUP)
]


def _tell_version(asked: bool) -> None:
    if asked:
        from pulsing.cli.version import version

        version()
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="Print the version.", callback=_tell_version, is_eager=True)]


@dataclass(frozen=True)
class Common:
    """The options that were given before the command, for all commands; those after it come first."""

    endpoint: str | None = None
    token_file: Path | None = None
    timeout: float | None = None
    no_color: bool = False
    quiet: bool = False
    verbose: bool = False


_NOTHING_GIVEN = Common()
_COMMON = ContextVar("_COMMON", default=_NOTHING_GIVEN)


def common_options(
    endpoint: Endpoint = None,
    token_file: TokenFile = None,
    timeout: Timeout = None,
    no_color: NoColor = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Take the options that stand before the command."""
    _COMMON.set(Common(endpoint, token_file, timeout, no_color, quiet, verbose))


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the first parameter of a command, its `Client`, by the options that describe one.

    A command with a `timeout` or a `verbose` of its own keeps it.
    """
    # Not get_type_hints: before Python 3.11 it wraps an annotation once more where the default is None.
    _, *given = inspect.signature(command, eval_str=True).parameters.values()
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in given]
    names = {parameter.name for parameter in own}
    of_connection = [_option("timeout", None, Timeout), _option("verbose", False, Verbose)]
    options = [
        _option("endpoint", None, Endpoint),
        _option("token_file", None, TokenFile),
        _option("quiet", False, Quiet),
        *(option for option in of_connection if option.name not in names),
    ]

    @wraps(command)
    def with_client(*, endpoint: str | None, token_file: Path | None, quiet: bool, **arguments: Any) -> None:
        # The commands that ask no node start without them.
        from pulsing.cli.client import Client
        from pulsing.cli.endpoint import find_endpoint, find_token

        common = _COMMON.get()
        verbose = arguments["verbose"] = arguments.get("verbose", False) or common.verbose
        # A timeout of the command's own is about what it does, and not about the way to the node.
        given = None if "timeout" in names else arguments.pop("timeout")
        wait = next((seconds for seconds in (given, common.timeout) if seconds is not None), _ANSWER_S)
        if "verbose" not in names:
            del arguments["verbose"]
        url = find_endpoint(endpoint or common.endpoint, os.environ)
        token = find_token(token_file or common.token_file, os.environ)
        with Client(url, token, wait) as client, _silence(quiet or common.quiet):
            try:
                command(client, **arguments)
            except CliError as error:
                if verbose and error.more is not None:
                    sys.stderr.write(f"{error.more}\n")
                raise

    parameters = [*own, *options]
    setattr(with_client, "__signature__", inspect.Signature(parameters))  # noqa: B010 - functions have none declared
    with_client.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_client


@contextlib.contextmanager
def _silence(wanted: bool) -> Iterator[None]:
    """Let what is written to standard output go nowhere, if that is wanted."""
    if not wanted:
        yield
        return
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def _option(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def colored(no_color: bool) -> bool:
    """Whether to colour what goes to standard output."""
    return not (no_color or _COMMON.get().no_color) and "NO_COLOR" not in os.environ and sys.stdout.isatty()
