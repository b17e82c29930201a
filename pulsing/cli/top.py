"""The command that shows what is busiest, redrawn as it changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import typer

from pulsing.cli.client import Client
from pulsing.cli.connection import NoColor, Output, colored
from pulsing.cli.output import Format, show_rows
from pulsing.cli.watch import begin_screen

_ROWS = 1000

Row = Mapping[str, Any]


@dataclass(frozen=True)
class View:
    """What of a list is shown, and of which counters a rate is made."""

    key: tuple[str, ...]
    columns: tuple[str, ...]
    rates: Mapping[str, str]
    """the column of a rate and the counter that it is of"""
    order: str


_MESSAGES = {"msg_s": "messages_total", "err_s": "errors_total"}


class Ranking(str, Enum):
    """What can be ranked."""

    actors = "actors"
    methods = "methods"
    queues = "queues"
    topics = "topics"
    nodes = "nodes"


VIEWS: Mapping[Ranking, View] = {
    Ranking.actors: View(("id",), ("name", "class", "node", "state", "mailbox", "msg_s", "err_s"), _MESSAGES, "msg_s"),
    Ranking.methods: View(("class", "method"), ("method", "class", "kind", "msg_s", "err_s"), _MESSAGES, "msg_s"),
    Ranking.queues: View(
        ("queue",),
        ("queue", "records", "max_lag", "put_s", "read_s"),
        {"put_s": "put_total", "read_s": "read_total"},
        "put_s",
    ),
    Ranking.topics: View(
        ("topic",),
        ("topic", "subscribers", "published_s", "delivered_s", "failed_total"),
        {"published_s": "published_total", "delivered_s": "delivered_total"},
        "published_s",
    ),
    Ranking.nodes: View(
        ("id",), ("name", "addr", "status", "actors", "mailbox_messages", "msg_s", "err_s"), _MESSAGES, "msg_s"
    ),
}


def top(
    client: Client,
    what: Annotated[Ranking, typer.Argument(help="What to rank.")] = Ranking.actors,
    once: Annotated[bool, typer.Option("--once", help="Show one interval, and end.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
    sort: Annotated[str | None, typer.Option(help="The column to rank by.")] = None,
    number: Annotated[int, typer.Option("-n", min=1, max=_ROWS, help="Rows.")] = 20,
    output: Output = Format.table,
    no_color: NoColor = False,
) -> None:
    """Show what is busiest, with rates, until Ctrl-C."""
    view = VIEWS[what]
    if sort is not None and sort.lstrip("-") not in view.columns:
        raise typer.BadParameter(f"the columns are {', '.join(view.columns)}", param_hint="--sort")
    before, looked = _look(client, what), time.monotonic()
    while True:
        time.sleep(interval)
        now, at = _look(client, what), time.monotonic()
        ranked = rank(with_rates(now, before, view, at - looked), sort or view.order)
        if not once:
            begin_screen()
        show_rows(ranked[:number], view.columns, output, color=colored(no_color))
        sys.stdout.flush()
        if once:
            return
        before, looked = now, at


def with_rates(now: Iterable[Row], before: Iterable[Row], view: View, seconds: float) -> list[dict[str, Any]]:
    """Rows with what their counters grew by in a second; what was not there before has no rate yet."""
    known = {_key(row, view): row for row in before}
    return [{**row, **_rates(row, known.get(_key(row, view)), view, seconds)} for row in now]


def rank(rows: list[dict[str, Any]], column: str) -> list[dict[str, Any]]:
    """Numbers from the greatest down, texts from A on; `-` before the column says so for texts, too."""
    name = column.lstrip("-")
    texts = any(isinstance(row.get(name), str) for row in rows)
    if texts:
        return sorted(rows, key=lambda row: str(row.get(name) or ""), reverse=column.startswith("-"))
    return sorted(rows, key=lambda row: row.get(name) or 0, reverse=True)


def _look(client: Client, what: Ranking) -> list[dict[str, Any]]:
    # Of a cluster with more actors than a page holds those that have been busiest so far are looked at.
    params = {"limit": _ROWS, "sort": "-rate" if what is Ranking.actors else None}
    items: list[dict[str, Any]] = client.get(what.value, params)["items"]
    return items


def _key(row: Row, view: View) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in view.key)


def _rates(row: Row, before: Row | None, view: View, seconds: float) -> dict[str, float | None]:
    if before is None:
        return {column: None for column in view.rates}
    grown = {column: (row.get(counter) or 0) - (before.get(counter) or 0) for column, counter in view.rates.items()}
    # A counter that fell began anew with its node.
    return {column: round(max(0, difference) / seconds, 1) for column, difference in grown.items()}
