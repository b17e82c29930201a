"""Commands about topics: who listens, saying something, listening in."""

from __future__ import annotations

import sys
from enum import Enum
from typing import Annotated, Any

import typer

from pulsing.cli.arguments import parse_value
from pulsing.cli.client import Client, segment
from pulsing.cli.connection import NoColor, Output, connected
from pulsing.cli.errors import FAILED, NOT_FOUND, hinting
from pulsing.cli.look import Listing, Thing, get_thing, list_things
from pulsing.cli.output import Format, write_line
from pulsing.cli.text import to_json

TopicName = Annotated[str, typer.Argument(metavar="TOPIC", help="The topic's name.")]


class Mode(str, Enum):
    """What a publish waits for."""

    fire_and_forget = "fire_and_forget"
    wait_all_acks = "wait_all_acks"
    wait_any_ack = "wait_any_ack"
    best_effort = "best_effort"


topics = typer.Typer(no_args_is_help=True, help="Publish to topics and listen in.")


@topics.command("ls")
@connected
def list_topics(client: Client, output: Output = Format.table, no_color: NoColor = False) -> None:
    """List the topics."""
    list_things(client, Listing.topics, output=output, no_color=no_color)


@topics.command("info")
@connected
def info(client: Client, topic: TopicName, output: Output = Format.table, no_color: NoColor = False) -> None:
    """Show one topic in full, with its subscribers."""
    get_thing(client, Thing.topic, topic, output=output, no_color=no_color)


@topics.command("pub")
@connected
def publish(
    client: Client,
    topic: TopicName,
    messages: Annotated[
        list[str] | None, typer.Argument(metavar="[JSON]...", help="Messages; else lines of stdin.")
    ] = None,
    mode: Annotated[Mode, typer.Option(help="What to wait for.")] = Mode.fire_and_forget,
    create: Annotated[bool, typer.Option("--create", help="Make the topic if it is not there.")] = False,
) -> None:
    """Publish messages; exit 1 when one was not delivered as its mode asks."""
    params = {"create": "true"} if create else None
    given = messages if messages else (line.rstrip("\n") for line in sys.stdin)
    delivered = failed = 0
    complete = True
    with hinting(NOT_FOUND, "make it with --create"):
        for text in given:
            body: dict[str, Any] = {"message": parse_value(text), "mode": mode.value}
            answer = client.request("POST", f"topics/{segment(topic)}/messages", params=params, body=body)
            delivered, failed = delivered + answer["delivered"], failed + answer["failed"]
            complete = complete and answer["success"]
    write_line(f"{delivered} delivered, {failed} failed")
    if not complete:
        raise typer.Exit(FAILED)


@topics.command("sub")
@connected
def subscribe(
    client: Client,
    topic: TopicName,
    rate: Annotated[int, typer.Option(min=1, help="Messages a second at most; others are skipped.")] = 50,
    contains: Annotated[str | None, typer.Option(help="Only messages with this text.")] = None,
) -> None:
    """Show what is published, one JSON line a message, until Ctrl-C."""
    for frame in client.events(f"topics/{segment(topic)}/tail", {"rate": rate, "contains": contains}):
        if frame.event == "message":
            write_line(to_json(frame.data["value"]))
        elif frame.event == "skipped":
            write_line(f"# skipped {frame.data['count']}")
        sys.stdout.flush()


@topics.command("evict")
@connected
def evict(
    client: Client, topic: TopicName, subscriber: Annotated[str, typer.Argument(help="The subscriber's id.")]
) -> None:
    """Remove a subscriber."""
    client.request("DELETE", f"topics/{segment(topic)}/subscribers/{segment(subscriber)}")
