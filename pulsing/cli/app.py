"""What `pulsing` runs: lists every command, and makes the one that is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from pulsing.cli.commands import ROWS, Row, as_lines
from pulsing.cli.connection import common_options, connected
from pulsing.cli.defaults import leave_defaults


class Commands(TyperGroup):
    """The commands of the table. Each is a line of help until it is called, or completed."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._rows = {row.name: row for row in ROWS}
        self.commands.update({row.name: _listed(row) for row in ROWS})
        leave_defaults(self)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the words name, and make it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if command is None else self.made(command.name or ""), rest

    def made(self, name: str) -> Any:
        """The command itself, with all that it takes.

        Raises:
            KeyError: there is none of this name.
        """
        return leave_defaults(_made(self._rows[name]))


app = typer.Typer(
    name="pulsing",
    cls=Commands,
    help="Distributed actors, queues and topics: run nodes, look at them, act on them.",
    epilog=as_lines("demo", "serve", "status", "COMMAND --help"),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.callback()(common_options)


def _listed(row: Row) -> TyperCommand:
    return TyperCommand(row.name, help=row.summary, rich_help_panel=row.panel)


def _made(row: Row) -> Any:
    module, _, attribute = row.home.partition(":")
    home = getattr(import_module(f"pulsing.cli.{module}"), attribute)
    alone = typer.Typer()
    if isinstance(home, typer.Typer):
        alone.add_typer(home, name=row.name, rich_help_panel=row.panel, epilog=row.epilog)
    else:
        alone.command(row.name, rich_help_panel=row.panel, epilog=row.epilog)(
            connected(home) if row.asks_node else home
        )
    return typer.main.get_group(alone).commands[row.name]
