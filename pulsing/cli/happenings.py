"""The command that shows what happened in the cluster, and with `-f` what happens."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from pulsing.cli.client import Client, ServerEvent
from pulsing.cli.connection import Output
from pulsing.cli.errors import CliError
from pulsing.cli.look import exit_if_partial
from pulsing.cli.output import Format, complain, show_object, show_rows, write_line
from pulsing.cli.text import to_json
from pulsing.cli.yaml import to_yaml
from pulsing.logs import one_line

_RETRY_S = 1.0
_COLUMNS = ("id", "at", "type", "node", "subject", "data")


def events(
    client: Client,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    types: Annotated[str | None, typer.Option("--type", help="Only these, e.g. 'actor.*'.")] = None,
    since: Annotated[str | None, typer.Option(help="Only later ones, e.g. 10m.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Events at most.")] = 50,
    output: Output = Format.table,
) -> None:
    """Show recent events, oldest first."""
    page = client.get("events", {"type": types, "since": since, "limit": limit})
    if follow or output in (Format.table, Format.wide, Format.jsonl):
        for event in reversed(page["items"]):
            _show(event, output)
    elif output in (Format.json, Format.yaml):
        show_object(page, output, color=False)
    else:
        show_rows(page["items"][::-1], _COLUMNS, output, color=False)
    if follow:
        for frame in following(client, {"type": types}):
            if frame.event == "gap":
                write_line(f"# {frame.data.get('missed')} events were missed")
            elif isinstance(frame.data, dict) and "type" in frame.data:
                _show(frame.data, output)
    exit_if_partial([page])


def following(client: Client, params: Mapping[str, Any]) -> Iterator[ServerEvent]:
    """What happens from now on; when the node is gone it is tried again, and goes on behind the last that was seen."""
    last: str | None = None
    connected = False
    while True:
        try:
            for frame in client.events("events", params, last_id=last):
                connected, last = True, frame.id or last
                yield frame
        except CliError as error:
            if not connected:
                raise
            complain(f"pulsing: {error.detail}; trying again")
        time.sleep(_RETRY_S)


def event_line(event: Mapping[str, Any]) -> str:
    """An event as one line of text."""
    subject = event.get("subject") or {}
    data = " ".join(f"{key}={value}" for key, value in (event.get("data") or {}).items() if value is not None)
    name = subject.get("name") or subject.get("id") or ""
    return one_line(f"{event['at']}  {event['type']:<20} {name}  {data}".rstrip())


def _show(event: Mapping[str, Any], output: Format) -> None:
    if output is Format.yaml:
        write_line(f"---\n{to_yaml(event)}")
    elif output in (Format.json, Format.jsonl):
        write_line(to_json(event))
    else:
        write_line(event_line(event))
    sys.stdout.flush()
