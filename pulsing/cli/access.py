"""Commands about getting in: a login link for the dashboard, and the user's token files."""

from __future__ import annotations

import os
import secrets
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from pulsing.cli.client import Client
from pulsing.cli.endpoint import admin_token_path, cluster_token_path
from pulsing.cli.output import write_line

_TOKEN_BYTES = 32

tokens = typer.Typer(no_args_is_help=True, help="The token files of this user.")


class TokenKind(str, Enum):
    """Which of the two."""

    admin = "admin"
    cluster = "cluster"


Kind = Annotated[TokenKind, typer.Argument(help="admin: for REST and dashboard. cluster: between nodes.")]


class Opening(str, Enum):
    """What to do with the dashboard."""

    open = "open"


def dashboard(
    client: Client,
    what: Annotated[Opening, typer.Argument(help="Open it; the same without this word.")] = Opening.open,
    print_only: Annotated[bool, typer.Option("--print", help="Only print the link.")] = False,
) -> None:
    """Open the dashboard in the browser, logged in. The link works once."""
    url = client.request("POST", "session/codes")["url"]
    write_line(url)
    if not print_only:
        typer.launch(url)


@tokens.command("path")
def path(kind: Kind = TokenKind.admin) -> None:
    """Print where a token file is."""
    write_line(str(_path(kind)))


@tokens.command("new")
def new(kind: Kind = TokenKind.admin) -> None:
    """Replace a token by a new one. Running nodes take it up: admin at once, cluster at their next start."""
    target = _path(kind)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(target, secrets.token_hex(_TOKEN_BYTES) + "\n")
    write_line(str(target))


def write_private(target: Path, content: str) -> None:
    """Put a file that only this user can read where `target` is, in one step."""
    aside = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
    aside.replace(target)


def _path(kind: TokenKind) -> Path:
    find = admin_token_path if kind is TokenKind.admin else cluster_token_path
    return find(os.environ)
