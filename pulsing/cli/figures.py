"""Commands about metrics: what a node shows Prometheus, and the files that Prometheus and Grafana want."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pulsing.cli.client import Client
from pulsing.cli.connection import connected
from pulsing.cli.output import write_line

Folder = Annotated[Path | None, typer.Option("-o", "--output", help="Folder to write into; else it is shown.")]
Endpoint = Annotated[str, typer.Option("--endpoint", help="Where links in the file lead to.")]

_HERE = "http://127.0.0.1:8700"
DASHBOARDS = ("overview", "actors", "streaming", "cluster")

metrics = typer.Typer(no_args_is_help=True, help="See metrics, and make the files for Prometheus and Grafana.")


@metrics.command("dump")
@connected
def dump(client: Client) -> None:
    """Print what Prometheus would scrape."""
    write_line(client.text("metrics").rstrip("\n"))


@metrics.command("detailed")
@connected
def detailed(
    client: Client,
    families: Annotated[
        list[str] | None, typer.Option("--family", help="Of what; may come again. Without it the families are named.")
    ] = None,
    actor: Annotated[str | None, typer.Option(help="Only these, e.g. 'worker-*'.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Objects at most.")] = 1000,
) -> None:
    """Print series of single objects."""
    params = [*(("family", family) for family in families or ()), ("actor", actor), ("limit", limit)]
    write_line(client.text("metrics/detailed", params).rstrip("\n"))


@metrics.command("scrape-config")
def scrape(endpoint: Endpoint = _HERE, output: Folder = None) -> None:
    """Make the scrape job that finds every node from one. Needs no running node."""
    import os

    from pulsing.admin.artefacts import scrape_config
    from pulsing.cli.endpoint import admin_token_path

    _give(scrape_config(endpoint, str(admin_token_path(os.environ))), output, "prometheus.yml")


@metrics.command("alerts")
def alerts(endpoint: Endpoint = _HERE, output: Folder = None) -> None:
    """Make the alert rules. Needs no running node."""
    from pulsing.admin.alerts import alert_rules

    _give(alert_rules(endpoint), output, "alerts.yml")


@metrics.command("grafana")
def grafana(
    name: Annotated[str | None, typer.Argument(help=f"One of {', '.join(DASHBOARDS)}; else all.")] = None,
    endpoint: Endpoint = _HERE,
    output: Folder = None,
) -> None:
    """Make dashboards to import into Grafana. Needs no running node."""
    from pulsing.admin.grafana import grafana_json

    if name is not None and name not in DASHBOARDS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(DASHBOARDS)}")
    for one in DASHBOARDS if name is None else (name,):
        _give(grafana_json(one, endpoint), output, f"{one}.json")


def _give(content: str, folder: Path | None, name: str) -> None:
    if folder is None:
        write_line(content.rstrip("\n"))
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    write_line(str(folder / name))
