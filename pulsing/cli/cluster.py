"""Commands about the cluster: what it is, who belongs to it, and joining another."""

from __future__ import annotations

from typing import Annotated

import typer

from pulsing.cli.client import Client
from pulsing.cli.connection import NoColor, Output, colored, connected
from pulsing.cli.look import Listing, list_things
from pulsing.cli.output import Format, show_object, write_line

cluster = typer.Typer(no_args_is_help=True, help="See who belongs to the cluster, and join others.")


_JOIN_S = 30.0
"""The node gives seeds 10 s to answer, and as long again to those that it knows."""


@cluster.command("info")
@connected
def info(client: Client, output: Output = Format.table, no_color: NoColor = False) -> None:
    """Show the cluster itself: its size, whether its nodes agree, and the seeds."""
    show_object(client.get("cluster"), output, color=colored(no_color))


@cluster.command("members")
@connected
def members(client: Client, output: Output = Format.table, no_color: NoColor = False) -> None:
    """List the members as the answering node sees them, those that are gone among them."""
    list_things(client, Listing.members, output=output, no_color=no_color)


@cluster.command("names")
@connected
def names(client: Client, output: Output = Format.table, no_color: NoColor = False) -> None:
    """List the public names and who holds them."""
    list_things(client, Listing.names, output=output, no_color=no_color)


@cluster.command("join")
@connected
def join(
    client: Client, seeds: Annotated[list[str], typer.Argument(metavar="SEED...", help="host:port of its nodes.")]
) -> None:
    """Let the node join a cluster through further seeds."""
    answer = client.request("POST", "cluster/join", body={"seeds": seeds}, timeout=_JOIN_S)
    write_line(f"joined: {answer['size']} nodes")
