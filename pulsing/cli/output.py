"""Rows and objects in the formats of the command line."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal

from pulsing.cli.text import inert, to_json
from pulsing.cli.yaml import to_yaml
from pulsing.logs import one_line

_UNBOUNDED_WIDTH = 100_000
_GAP = 2
_LONG = 36
"""A column counts as no wider than this for what fits beside it; longer values are cut."""


class Format(str, Enum):
    """How a command that reads shows what it read."""

    table = "table"
    wide = "wide"
    json = "json"
    jsonl = "jsonl"
    yaml = "yaml"
    csv = "csv"
    name = "name"


_ENDS_A_CELL = re.compile(r'[",;]')

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
            write_line(_csv_line(columns))
            for row in rows:
                write_line(_csv_line([row.get(column) for column in columns]))
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


def _csv_line(values: Sequence[Any]) -> str:
    # An empty line would be no row.
    return ",".join(map(_csv_cell, values)) or '""'


def _csv_cell(value: Any) -> str:
    """A value as a cell that a spreadsheet shows and does not evaluate, whatever it takes for the end of a cell."""
    text = cell(value)
    if isinstance(value, str) and text[:1] in tuple("=+-@"):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"' if _ENDS_A_CELL.search(text) else text


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

    console = Console(no_color=not color, highlight=False)
    narrow = console.is_terminal and not wide
    cells = {column: [cell(row.get(column)) for row in rows] for column in columns}
    shown = fitting(cells, console.width) if narrow else list(columns)
    if "id" in columns and "id" not in shown:
        # What has no name is known by its id, for which no column is left.
        cells[columns[0]] = [cell(row.get(columns[0]) or row.get("id")) for row in rows]
        shown = fitting({column: cells[column] for column in columns if column != "id"}, console.width)
    cut = narrow and len(shown) > 2 and _width(cells, shown) > console.width
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in shown:
        overflow: Literal["fold", "ellipsis"] = "fold" if wide else "ellipsis"
        table.add_column(_title(column), overflow=overflow, no_wrap=not wide, max_width=_LONG if cut else None)
    for place in range(len(rows)):
        table.add_row(*(_escape(cells[column][place]) for column in shown))
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
        if left_out := [column for column in columns if column not in shown]:
            remark(f"no room for {', '.join(left_out)}; -o wide shows all columns")


def fitting(cells: Mapping[str, Sequence[str]], room: int) -> list[str]:
    """The columns of a table that fit beside each other: ids give way to names, then the last ones; two stay.

    Args:
        cells: the texts of each column.
        room: the width of the terminal.
    """
    shown = list(cells)
    while len(shown) > 2 and _width(cells, shown, _LONG) > room:
        shown.remove(next((column for column in ("id", "node") if column in shown[1:]), shown[-1]))
    return shown


def _width(cells: Mapping[str, Sequence[str]], columns: Sequence[str], most: int = _UNBOUNDED_WIDTH) -> int:
    """How wide columns are beside each other, each at most so wide."""
    widths = (max(map(len, (_title(column), *cells[column]))) for column in columns)
    return sum(min(width, most) + _GAP for width in widths) - _GAP


def _title(column: str) -> str:
    return column.upper().replace("_", " ")


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
