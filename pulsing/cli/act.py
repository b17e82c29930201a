"""Commands that act on actors: spawn, call, tell, stop, restart, tag."""

from __future__ import annotations

import sys
from typing import Annotated, Any, NoReturn

import typer

from pulsing.cli.arguments import parse_keywords, parse_value
from pulsing.cli.client import Client, ServerEvent, segment
from pulsing.cli.connection import Output
from pulsing.cli.errors import FAILED, TIMED_OUT, USAGE, CliError
from pulsing.cli.output import Format, complain, show_object, write_line
from pulsing.cli.text import to_json
from pulsing.logs import one_line

# The node ends a call at its deadline; the answer needs a moment more to get here.
_MARGIN_S = 5.0

Keywords = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Keyword arguments.")]
Arguments = Annotated[list[str] | None, typer.Option("--arg", help="A positional argument; may come again.")]
MessageText = Annotated[str | None, typer.Option("--message", help="The message, for an actor with receive().")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the audit.")]


def spawn(
    client: Client,
    class_name: Annotated[str, typer.Argument(metavar="CLASS", help="A registered class: module.Class.")],
    keywords: Keywords = None,
    arguments: Arguments = None,
    name: Annotated[str | None, typer.Option(help="The actor's name.")] = None,
    placement: Annotated[str | None, typer.Option(help="local, remote, process, or a node.")] = None,
    restart_policy: Annotated[str | None, typer.Option(help="never, on-failure or always.")] = None,
    max_restarts: Annotated[int | None, typer.Option(help="Restarts before it is given up.")] = None,
    mailbox: Annotated[int | None, typer.Option(help="Messages that may wait.")] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", help="key=value; may come again.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Keep its name on its node.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check, and do nothing.")] = False,
    reason: Reason = None,
    output: Output = Format.table,
) -> None:
    """Start an actor of a registered class; prints its id and name."""
    body: dict[str, Any] = {
        "class": class_name,
        "args": [parse_value(text) for text in arguments or []],
        "kwargs": parse_keywords(keywords or []),
        "name": name,
        "placement": placement,
        "restart_policy": restart_policy,
        "max_restarts": max_restarts,
        "mailbox": mailbox,
        "tags": {key: str(value) for key, value in parse_keywords(tags or []).items()} or None,
        "public": False if private else None,
    }
    given = {key: value for key, value in body.items() if value is not None}
    params = {"dry_run": "true"} if dry_run else None
    row = client.request("POST", "actors", params=params, body=given, headers=audited(reason))
    if output is Format.table:
        made = f"{row.get('id') or ''}  {row.get('name') or ''}".strip()
        write_line(f"{class_name} would be spawned" if dry_run else made)
    else:
        show_object(row, output, color=False)


def call(
    client: Client,
    actor: Annotated[str, typer.Argument(help="Name or id.")],
    method: Annotated[str | None, typer.Argument(help="The method; none with --message.")] = None,
    keywords: Keywords = None,
    arguments: Arguments = None,
    message: MessageText = None,
    timeout: Annotated[float, typer.Option(min=0.0, max=600.0, help="Seconds the call may take.")] = 30.0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the remote traceback of an error.")] = False,
    reason: Reason = None,
) -> None:
    """Call a method and print its result as JSON, the items of a stream one a line."""
    body = {**_message(method, keywords, arguments, message), "timeout": timeout}
    path = f"actors/{segment(actor)}/call"
    for frame in client.call(path, body, audited(reason), timeout + _MARGIN_S):
        for item in _items(frame, verbose):
            write_line(to_json(item))
            # Whoever reads this reads it as it comes.
            sys.stdout.flush()


def tell(
    client: Client,
    actor: Annotated[str, typer.Argument(help="Name or id.")],
    method: Annotated[str | None, typer.Argument(help="The method; none with --message.")] = None,
    keywords: Keywords = None,
    arguments: Arguments = None,
    message: MessageText = None,
    reason: Reason = None,
) -> None:
    """Send a message and do not wait for what becomes of it."""
    body = _message(method, keywords, arguments, message)
    client.request("POST", f"actors/{segment(actor)}/tell", body=body, headers=audited(reason))


def stop(
    client: Client,
    actors: Annotated[list[str], typer.Argument(help="Names or ids.")],
    timeout: Annotated[float, typer.Option(min=0.0, max=30.0, help="Seconds for the message in progress.")] = 30.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    reason: Reason = None,
) -> None:
    """Stop actors after the message that each is handling."""
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Stop {', '.join(actors)}?", abort=True)
    for actor in actors:
        params = {"timeout": timeout}
        path = f"actors/{segment(actor)}"
        answer = client.request("DELETE", path, params=params, headers=audited(reason), timeout=timeout + _MARGIN_S)
        write_line(f"{actor}: {'stopped' if answer['stopped'] else 'stopping'}")


def restart(
    client: Client,
    actors: Annotated[list[str], typer.Argument(help="Names or ids.")],
    reason: Reason = None,
) -> None:
    """Give actors fresh state; they keep id, name and waiting messages."""
    for actor in actors:
        client.request("POST", f"actors/{segment(actor)}/restart", headers=audited(reason))
        write_line(f"{actor}: restarted")


def tag(
    client: Client,
    actor: Annotated[str, typer.Argument(help="Name or id.")],
    changes: Annotated[list[str], typer.Argument(metavar="KEY=VALUE|KEY-...", help="Tags to set, or to take away.")],
    reason: Reason = None,
) -> None:
    """Change an actor's tags and print those that it has then."""
    body = dict(_change(word) for word in changes)
    answer = client.request("PATCH", f"actors/{segment(actor)}/tags", body=body, headers=audited(reason))
    for key, value in answer["tags"].items():
        write_line(f"{key}={value}")


def _change(word: str) -> tuple[str, str | None]:
    key, found, value = word.partition("=")
    if found and key:
        return key, value
    if word.endswith("-") and word != "-":
        return word[:-1], None
    raise CliError(f"{word!r} is neither key=value nor key-", exit_code=USAGE)


def _message(
    method: str | None, keywords: list[str] | None, arguments: list[str] | None, message: str | None
) -> dict[str, Any]:
    if (method is None) == (message is None):
        raise typer.BadParameter("give either a method or --message")
    if message is not None:
        return {"message": parse_value(message)}
    return {
        "method": method,
        "args": [parse_value(text) for text in arguments or []],
        "kwargs": parse_keywords(keywords or []),
    }


def _items(frame: ServerEvent, verbose: bool) -> list[Any]:
    match frame.event:
        case "item":
            return [frame.data["value"]]
        case "error":
            _fail(frame.data, verbose)
        case "answer" if not frame.data["ok"]:
            _fail(frame.data["error"], verbose)
        case "answer":
            return list(frame.data.get("items", [frame.data.get("result")]))
    return []


def _fail(error: dict[str, Any], verbose: bool) -> NoReturn:
    traceback = error.get("traceback")
    if verbose and traceback:
        complain(traceback)
    # What an actor refuses to do is its failure; a method that it does not have never gets so far.
    exit_code = TIMED_OUT if error["category"] == "timeout" else FAILED
    raise CliError(one_line(f"{error['type']}: {error['message']}"), exit_code=exit_code)


def audited(reason: str | None) -> dict[str, str] | None:
    """The headers of an action that is done for a reason."""
    return {"X-Reason": " ".join(reason.split())} if reason else None
