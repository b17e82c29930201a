"""The options that every command for a running node has, declared once."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from pulsing.cli.client import Client
from pulsing.cli.endpoint import find_endpoint, find_token
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
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait for an answer.", rich_help_panel=_GROUP)]

Output = Annotated[Format, typer.Option("--output", "-o", help="How to show it.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="Show no colours.")]


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the first parameter of a command, its `Client`, by the options that describe one.

    A command with a `timeout` of its own keeps it.
    """
    # Not get_type_hints: before Python 3.11 it wraps an annotation once more where the default is None.
    _, *given = inspect.signature(command, eval_str=True).parameters.values()
    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in given]
    has_timeout = any(parameter.name == "timeout" for parameter in own)
    options = [
        _option("endpoint", None, Endpoint),
        _option("token_file", None, TokenFile),
        _option("quiet", False, Quiet),
        *([] if has_timeout else [_option("timeout", _ANSWER_S, Timeout)]),
    ]

    @wraps(command)
    def with_client(*, endpoint: str | None, token_file: Path | None, quiet: bool, **arguments: Any) -> None:
        wait = _ANSWER_S if has_timeout else arguments.pop("timeout")
        url = find_endpoint(endpoint, os.environ)
        with Client(url, find_token(token_file, os.environ), wait) as client, _silence(quiet):
            command(client, **arguments)

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
    return not no_color and "NO_COLOR" not in os.environ and sys.stdout.isatty()
