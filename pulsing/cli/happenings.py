"""The command that shows what happened in the cluster, and with `-f` what happens."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from pulsing.cli.client import Client
from pulsing.cli.connection import Output
from pulsing.cli.output import Format, write_line


def events(
    client: Client,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    types: Annotated[str | None, typer.Option("--type", help="Only these, e.g. 'actor.*'.")] = None,
    since: Annotated[str | None, typer.Option(help="Only later ones, e.g. 10m.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Events at most.")] = 50,
    output: Output = Format.table,
) -> None:
    """Show recent events, oldest first."""
    for event in reversed(client.get("events", {"type": types, "since": since, "limit": limit})["items"]):
        _show(event, output)
    if follow:
        for frame in client.events("events", {"type": types}):
            if frame.event == "gap":
                write_line(f"# {frame.data.get('missed')} events were missed")
            elif isinstance(frame.data, dict) and "type" in frame.data:
                _show(frame.data, output)


def event_line(event: Mapping[str, Any]) -> str:
    """An event as one line of text."""
    subject = event.get("subject") or {}
    data = " ".join(f"{key}={value}" for key, value in (event.get("data") or {}).items() if value is not None)
    name = subject.get("name") or subject.get("id") or ""
    return f"{event['at']}  {event['type']:<20} {name}  {data}".rstrip()


def _show(event: Mapping[str, Any], output: Format) -> None:
    as_json = output in (Format.json, Format.jsonl)
    write_line(json.dumps(event, ensure_ascii=False) if as_json else event_line(event))
    sys.stdout.flush()
