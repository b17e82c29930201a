"""The command that says whether a node is well, for people and for probes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pulsing.cli.client import Client
from pulsing.cli.connection import NoColor, Output, colored
from pulsing.cli.errors import FAILED, NOT_FOUND, CliError
from pulsing.cli.output import Format, cell, show_rows, write_line

COLUMNS = ("name", "status", "value", "unit", "warn", "critical", "detail")


def check(
    client: Client,
    name: Annotated[str, typer.Argument(help="One check, or all.")] = "all",
    output: Output = Format.table,
    no_color: NoColor = False,
) -> None:
    """Say whether a node is well, a line a check; exit 1 when one is critical."""
    rows = client.get("health/checks", {"limit": 1000})["items"]
    chosen = rows if name == "all" else [row for row in rows if row["name"] == name]
    if not chosen:
        raise _unknown(name, [row["name"] for row in rows])
    if output is Format.table:
        for row in chosen:
            write_line(check_line(row))
    else:
        show_rows(chosen, COLUMNS, output, color=colored(no_color))
    if any(row["status"] == "critical" for row in chosen):
        raise typer.Exit(FAILED)


def check_line(row: Mapping[str, Any]) -> str:
    """A check as one line of text."""
    return f"{row['status']:<9} {row['name']:<20} {amount(row):<12} {cell(row.get('detail'))}".rstrip()


def amount(row: Mapping[str, Any]) -> str:
    """The value of a check with its unit, as people write it; empty where there is none."""
    value, unit = row.get("value"), row.get("unit") or ""
    if value is None:
        return ""
    if unit == "ratio":
        return f"{value * 100:.3g} %"
    return f"{cell(value)}/s" if unit == "1/s" else f"{cell(value)} {unit}".rstrip()


def _unknown(name: str, known: list[str]) -> CliError:
    from pulsing.settings.errors import did_you_mean

    return CliError(
        f"there is no check {name!r}{did_you_mean(name, known)}", hint="pulsing list checks", exit_code=NOT_FOUND
    )
