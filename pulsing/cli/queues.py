"""Commands about queues: what there is, what is in them, and what goes into them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from pulsing.cli.arguments import parse_keywords
from pulsing.cli.client import Client, segment
from pulsing.cli.connection import NoColor, Output, colored, connected
from pulsing.cli.errors import NOT_FOUND, USAGE, CliError, hinting
from pulsing.cli.look import Listing, Thing, get_thing, list_things
from pulsing.cli.output import Format, show_object, show_rows, write_line
from pulsing.cli.progress import Progress
from pulsing.cli.text import to_json

_BATCH = 100
_TAIL_S = 0.5
_TAIL_PAGE = 500
_RECORD_COLUMNS = ("offset", "bucket_id", "at", "bytes", "record")

QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for the name.")]

queues = typer.Typer(no_args_is_help=True, help="Look into queues, fill and empty them.")


@queues.command("ls")
@connected
def list_queues(client: Client, output: Output = Format.table, no_color: NoColor = False) -> None:
    """List the queues."""
    list_things(client, Listing.queues, output=output, no_color=no_color)


@queues.command("info")
@connected
def info(client: Client, queue: QueueName, output: Output = Format.table, no_color: NoColor = False) -> None:
    """Show one queue in full."""
    get_thing(client, Thing.queue, queue, output=output, no_color=no_color)


@queues.command("readers")
@connected
def readers(client: Client, queue: QueueName, output: Output = Format.table, no_color: NoColor = False) -> None:
    """List those who read the queue, and how far each has come."""
    rows = client.get(f"queues/{segment(queue)}").get("reader_rows") or []
    columns = ("reader", "node", "buckets", "offsets", "lag", "last_read_at", "waiting")
    show_rows(rows, columns, output, color=colored(no_color))


@queues.command("create")
@connected
def create(
    client: Client,
    queue: QueueName,
    buckets: Annotated[int, typer.Option(min=1, help="Number of buckets.")] = 4,
    column: Annotated[str, typer.Option(help="The field that decides the bucket.")] = "id",
    backend: Annotated[str, typer.Option(help="Where records are kept.")] = "memory",
    options: Annotated[list[str] | None, typer.Option("--option", help="key=value for the backend.")] = None,
    output: Output = Format.json,
) -> None:
    """Fix the settings of a queue before its first record."""
    body = {
        "num_buckets": buckets,
        "bucket_column": column,
        "backend": backend,
        "backend_options": parse_keywords(options or []),
    }
    show_object(client.request("PUT", f"queues/{segment(queue)}", body=body), output, color=False)


@queues.command("put")
@connected
def put(
    client: Client,
    queue: QueueName,
    records: Annotated[list[str] | None, typer.Argument(metavar="[JSON]...", help="Records.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file of JSON lines.")] = None,
    create_queue: Annotated[bool, typer.Option("--create", help="Make the queue if it is not there.")] = False,
) -> None:
    """Put records: those given, else JSON lines from a file or standard input, a hundred at a time."""
    count = 0
    params = {"create": "true"} if create_queue else None
    with Progress("records put") as progress, hinting(NOT_FOUND, "make it with --create"):
        for batch in _batches(_records(records, file)):
            answer = client.request("POST", f"queues/{segment(queue)}/messages", params=params, body={"records": batch})
            count += answer["count"]
            progress.show(count)
    write_line(f"{count} put")


@queues.command("peek")
@connected
def peek(
    client: Client,
    queue: QueueName,
    number: Annotated[int, typer.Option("-n", min=1, max=_TAIL_PAGE, help="Records a bucket.")] = 10,
    bucket: Annotated[int | None, typer.Option(help="Only this bucket.")] = None,
    offset: Annotated[int | None, typer.Option(help="From this offset on.")] = None,
    newest: Annotated[bool, typer.Option("--newest", help="From the end.")] = False,
    output: Output = Format.table,
    no_color: NoColor = False,
) -> None:
    """Show records without moving any reader: one JSON line each, or in another format with where they are."""
    order = "newest" if newest else "oldest"
    params = {"limit": number, "bucket_id": bucket, "offset": offset, "order": order}
    answer = client.get(f"queues/{segment(queue)}/messages", params)
    if output is Format.table:
        for item in answer["items"]:
            write_line(to_json(item["record"]))
    elif output in (Format.json, Format.yaml):
        show_object(answer, output, color=False)
    else:
        show_rows(answer["items"], _RECORD_COLUMNS, output, color=colored(no_color))


@queues.command("tail")
@connected
def tail(client: Client, queue: QueueName) -> None:
    """Show what is put from now on, until Ctrl-C."""
    path = f"queues/{segment(queue)}/messages"
    bounds = client.get(path, {"limit": 1, "order": "newest"})["buckets"]
    following = {int(bucket): bound["next"] for bucket, bound in bounds.items()}
    while True:
        for bucket, offset in following.items():
            params = {"bucket_id": bucket, "offset": offset, "limit": _TAIL_PAGE}
            answer = client.get(path, params)
            for item in answer["items"]:
                write_line(to_json(item["record"]))
            following[bucket] = answer["next_offset"].get(str(bucket), offset)
        sys.stdout.flush()
        time.sleep(_TAIL_S)


@queues.command("flush")
@connected
def flush(client: Client, queue: QueueName) -> None:
    """Bring what was put before to where it is kept."""
    answer = client.request("POST", f"queues/{segment(queue)}/flush")
    write_line(f"{answer['buckets']} buckets flushed")


@queues.command("trim")
@connected
def trim(
    client: Client,
    queue: QueueName,
    keep_last: Annotated[int, typer.Option(min=0, help="Records to keep in each bucket.")],
) -> None:
    """Remove old records."""
    answer = client.request("POST", f"queues/{segment(queue)}/trim", body={"keep_last": keep_last})
    write_line(f"{answer['removed']} removed")


@queues.command("purge")
@connected
def purge(client: Client, queue: QueueName, yes: Yes = False) -> None:
    """Remove every record."""
    _confirm(queue, yes)
    write_line(f"{client.request('POST', f'queues/{segment(queue)}/purge')['removed']} removed")


@queues.command("delete")
@connected
def delete(client: Client, queue: QueueName, yes: Yes = False) -> None:
    """Remove the queue itself."""
    _confirm(queue, yes)
    answer = client.request("DELETE", f"queues/{segment(queue)}")
    write_line(f"deleted, {answer['records']} records with it")


def _records(given: Sequence[str] | None, file: Path | None) -> Iterator[Any]:
    if given:
        yield from (_record(text, "argument", number) for number, text in enumerate(given, 1))
    elif file is not None:
        with file.open() as lines:
            yield from (_record(line, str(file), number) for number, line in enumerate(lines, 1) if line.strip())
    else:
        yield from (_record(line, "standard input", number) for number, line in enumerate(sys.stdin, 1) if line.strip())


def _record(text: str, source: str, number: int) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CliError(f"{source} {number} is no JSON: {error}", exit_code=USAGE) from error


def _batches(records: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(records, _BATCH)):
        yield batch


def _confirm(queue: str, yes: bool) -> None:
    if not yes and typer.prompt(f"Type the queue's name to go on ({queue})") != queue:
        raise CliError("that is another name; nothing was done", exit_code=USAGE)
