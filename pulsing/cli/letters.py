"""Commands about dead letters: messages that reached nobody."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pulsing.cli.act import Reason, audited
from pulsing.cli.client import Client
from pulsing.cli.connection import NoColor, Output, connected
from pulsing.cli.errors import PARTIAL, USAGE, CliError
from pulsing.cli.look import Listing, list_things
from pulsing.cli.output import Format, complain, write_line

# A request sends for a minute at most; the answer needs a moment more to get here.
_REPLAY_S = 75.0

letters = typer.Typer(no_args_is_help=True, help="Look at messages that reached nobody, and send them again.")


@letters.command("ls")
@connected
def list_letters(
    client: Client,
    why: Annotated[
        str | None, typer.Option("--reason", "--why", help="Only these: no_actor, stopped, node_dead ...")
    ] = None,
    recipient: Annotated[str | None, typer.Option(help="Only those to this actor.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Letters at most.")] = 50,
    output: Output = Format.table,
    no_color: NoColor = False,
) -> None:
    """List dead letters, newest first."""
    filters = [f"{name}={value}" for name, value in (("reason", why), ("recipient", recipient)) if value is not None]
    list_things(client, Listing.dead_letters, filters, limit=limit, output=output, no_color=no_color)


@letters.command("replay")
@connected
def replay(
    client: Client,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="These; else all that the options name.")
    ] = None,
    why: Annotated[str | None, typer.Option("--reason", "--why", help="Those that died of this.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Those to this actor.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Letters at most.")] = 100,
    rate: Annotated[float, typer.Option(min=0.1, max=1000, help="Letters a second.")] = 50.0,
    to: Annotated[str | None, typer.Option(help="Another actor that gets them.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    because: Annotated[str | None, typer.Option(help="Why, for the audit.")] = None,
) -> None:
    """Send dead letters again, as tells; exit 5 when some could not be."""
    chosen = {name: value for name, value in (("reason", why), ("recipient", recipient)) if value is not None}
    if bool(ids) == bool(chosen):
        raise CliError("say which: ids, or --reason and --recipient", hint="pulsing dead-letters ls", exit_code=USAGE)
    body: dict[str, Any] = {"limit": limit, "rate": rate, "to": to, **({"ids": ids} if ids else {"filter": chosen})}
    params = {"dry_run": "true"} if dry_run else None
    path = "dead-letters/replay"
    answer = client.request("POST", path, params=params, body=body, headers=audited(because), timeout=_REPLAY_S)
    write_line(f"{answer['replayed']} {'would be ' if dry_run else ''}replayed")
    left = [*answer["failed"], *answer["skipped"]]
    for note in left:
        complain(f"pulsing: {note['id']}: {note['why']}")
    if left:
        raise typer.Exit(PARTIAL)


@letters.command("clear")
@connected
def clear(client: Client, reason: Reason = None) -> None:
    """Forget the dead letters of every node; their counts stay."""
    write_line(f"{client.request('DELETE', 'dead-letters', headers=audited(reason))['cleared']} cleared")
