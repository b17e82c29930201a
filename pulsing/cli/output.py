"""Rows and objects in the formats of the command line."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from pulsing.cli.text import inert, one_line, to_json
from pulsing.cli.yaml import to_yaml

_UNBOUNDED_WIDTH = 100_000


class Format(str, Enum):
    """How a command that reads shows what it read."""

    table = "table"
    wide = "wide"
    json = "json"
    jsonl = "jsonl"
    yaml = "yaml"
    csv = "csv"
    name = "name"


Rows = Sequence[Mapping[str, Any]]


def show_rows(rows: Rows, columns: Sequence[str], form: Format, *, color: bool) -> None:
    """Write rows; `columns` are those of the table, of `csv`, and the first of them is the `name`."""
    match form:
        case Format.json:
            write_line(to_json({"items": list(rows)}, indent=2))
        case Format.yaml:
            write_line(to_yaml({"items": list(rows)}))
        case Format.jsonl:
            for row in rows:
                write_line(to_json(row))
        case Format.csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
        case Format.name:
            for row in rows:
                write_line(cell(row.get(columns[0]) or row.get("id")))
        case Format.table | Format.wide:
            _show_table(rows, columns, wide=form is Format.wide, color=color)


def show_object(fields: Mapping[str, Any], form: Format, *, color: bool) -> None:
    """Write one object: as it is in the formats for programs, a table of two columns otherwise."""
    if form is Format.yaml:
        write_line(to_yaml(fields))
        return
    if form in (Format.json, Format.jsonl):
        write_line(to_json(fields, indent=None if form is Format.jsonl else 2))
        return
    rows = [{"field": name, "value": value} for name, value in fields.items()]
    show_rows(rows, ("field", "value"), form, color=color)


def cell(value: Any) -> str:
    """A value as one line of text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, (dict, list)):
        return to_json(value)
    return one_line(str(value))


def write_line(text: str) -> None:
    """Write a line of data to standard output, inert whatever a stranger put into it."""
    sys.stdout.write(inert(text) + "\n")


def complain(text: str) -> None:
    """Write a line about what is wrong to standard error, as inert."""
    sys.stderr.write(inert(text) + "\n")


def remark(text: str) -> None:
    """Write a line to standard error for who reads at a terminal; scripts and `-q` do without it."""
    if sys.stdout.isatty():
        complain(text)


def _show_table(rows: Rows, columns: Sequence[str], *, wide: bool, color: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.upper().replace("_", " "), overflow="fold" if wide else "ellipsis", no_wrap=not wide)
    for row in rows:
        table.add_row(*(_escape(cell(row.get(column))) for column in columns))
    console = Console(no_color=not color, highlight=False)
    # Into a pipe a table is cut nowhere: whoever reads it there counts columns, not characters.
    if not console.is_terminal:
        console.width = _UNBOUNDED_WIDTH
        # The last column is as wide as its longest value: nobody wants the blanks behind the others.
        with console.capture() as captured:
            console.print(table)
        for line in captured.get().splitlines():
            write_line(line.rstrip())
    else:
        console.print(table)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
