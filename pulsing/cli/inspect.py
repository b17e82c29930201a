"""`pulsing inspect`: the views of earlier versions, with their options and their lines, over the admin plane."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Annotated, Any

import typer

from pulsing.cli.client import Client
from pulsing.cli.connection import TokenFile
from pulsing.cli.endpoint import find_endpoint, find_token
from pulsing.cli.errors import CliError
from pulsing.cli.output import Format, cell, complain, show_object, write_line
from pulsing.logs import one_line

_PORT = 8700
_STATUSES = ("alive", "suspect", "leaving", "dead", "left")
_PAGE = 1000

Seeds = Annotated[
    str | None, typer.Option("--seeds", help="Admin addresses to ask, host:port with commas; port 8700 by default.")
]
Endpoint = Annotated[str | None, typer.Option("--endpoint", help="URL of a node's admin plane.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for an answer.")]
BestEffort = Annotated[
    bool,
    typer.Option("--best-effort", "--best_effort", help="Exit 0 when nobody answers."),
]
AsJson = Annotated[bool, typer.Option("--json", help="The answer of the node as JSON.")]

inspect = typer.Typer(no_args_is_help=True, help="The views of earlier versions.")


class View(str, Enum):
    """What can be watched."""

    cluster = "cluster"
    actors = "actors"
    metrics = "metrics"
    all = "all"


@inspect.command("cluster")
def inspect_cluster(
    seeds: Seeds = None,
    endpoint: Endpoint = None,
    token_file: TokenFile = None,
    timeout: Timeout = 10.0,
    best_effort: BestEffort = False,
    as_json: AsJson = False,
) -> None:
    """Show the members of the cluster and how they are."""

    def show(client: Client) -> None:
        answer = client.get("cluster/members", {"limit": _PAGE})
        if as_json:
            show_object(answer, Format.json, color=False)
        else:
            _write(cluster_lines(answer["items"]))

    _ask(show, seeds, endpoint, token_file, timeout, best_effort)


@inspect.command("actors")
def inspect_actors(
    seeds: Seeds = None,
    endpoint: Endpoint = None,
    token_file: TokenFile = None,
    timeout: Timeout = 10.0,
    best_effort: BestEffort = False,
    top: Annotated[int | None, typer.Option("--top", min=1, help="Names at most.")] = None,
    filter_text: Annotated[str | None, typer.Option("--filter", help="Only names with this text.")] = None,
    all_actors: Annotated[bool, typer.Option("--all-actors", "--all_actors", help="Pulsing's own among them.")] = False,
    as_json: AsJson = False,
    detailed: Annotated[bool, typer.Option("--detailed", help="Every actor with its node and counts.")] = False,
) -> None:
    """Show how many actors there are, by name and node."""

    def show(client: Client) -> None:
        params = {"search": filter_text, "limit": _PAGE, "system": "true" if all_actors else None}
        answer = client.get("actors", params)
        if as_json:
            show_object(answer, Format.json, color=False)
        else:
            _write(actor_lines(answer["items"], answer.get("filtered") or len(answer["items"]), top, detailed))

    _ask(show, seeds, endpoint, token_file, timeout, best_effort)


@inspect.command("metrics")
def inspect_metrics(
    seeds: Seeds = None,
    endpoint: Endpoint = None,
    token_file: TokenFile = None,
    timeout: Timeout = 10.0,
    best_effort: BestEffort = False,
    raw: Annotated[bool, typer.Option("--raw/--no-raw", help="As Prometheus reads them, or only the sums.")] = True,
) -> None:
    """Show the metrics of a node."""

    def show(client: Client) -> None:
        text = client.text("metrics")
        _write(text.splitlines() if raw else metric_lines(text.splitlines()))

    _ask(show, seeds, endpoint, token_file, timeout, best_effort)


@inspect.command("watch")
def inspect_watch(
    seeds: Seeds = None,
    endpoint: Endpoint = None,
    token_file: TokenFile = None,
    timeout: Timeout = 10.0,
    best_effort: BestEffort = False,
    interval: Annotated[float, typer.Option(min=0.05, help="Seconds between two looks.")] = 1.0,
    kind: Annotated[View, typer.Option("--kind", help="What to watch.")] = View.all,
    max_rounds: Annotated[
        int | None, typer.Option("--max-rounds", "--max_rounds", min=1, help="Looks at most.")
    ] = None,
) -> None:
    """Show what changes from look to look, until Ctrl-C."""

    def show(client: Client) -> None:
        before: dict[str, Any] = {}
        rounds = 0
        while max_rounds is None or rounds < max_rounds:
            time.sleep(interval if rounds else 0)
            now = _seen(client, kind)
            _write(change_lines(before, now) if rounds else [f"Watching {kind.value}: {len(now)} items"])
            before, rounds = now, rounds + 1

    _ask(show, seeds, endpoint, token_file, timeout, best_effort)


def cluster_lines(members: list[dict[str, Any]]) -> list[str]:
    """The members as text."""
    counts = Counter(member["status"] for member in members)
    lines = [f"Cluster Status: {len(members)} total nodes ({counts['alive']} alive)", "", "Status Summary:"]
    lines += [f"  {status.capitalize()}: {counts[status]}" for status in _STATUSES if counts[status]]
    lines += ["", "Nodes:"]
    return lines + [f"  {one['id']}  {one.get('addr') or '-':<21}  {one['status'].capitalize()}" for one in members]


def actor_lines(actors: list[dict[str, Any]], total: int, top: int | None, detailed: bool) -> list[str]:
    """Actors as text: how many of each name, or each by itself."""
    lines = [f"Actors: {total} total"]
    if detailed:
        shown = actors[:top]
        rows = [
            f"  {cell(one.get('name') or one['id'])}  {one['class']}  {one['state']}  on {one['node']}" for one in shown
        ]
        return lines + rows
    names = Counter(str(one.get("name") or one["class"]) for one in actors)
    return lines + [f"  {cell(name)}: {count}" for name, count in names.most_common(top)]


def _actor_line(actor: Mapping[str, Any]) -> str:
    return f"  {actor.get('name') or actor['id']}  {actor['class']}  {actor['state']}  on {actor['node']}"


def metric_lines(lines: Iterable[str]) -> list[str]:
    """The sum of every metric of ours over its labels."""
    sums: dict[str, float] = {}
    for line in lines:
        name = line.partition("{")[0].partition(" ")[0]
        if name.startswith("pulsing_") and not name.endswith("_bucket"):
            sums[name] = sums.get(name, 0.0) + float(line.rpartition(" ")[2])
    return [f"  {name}: {value:g}" for name, value in sorted(sums.items())]


def change_lines(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What came, what went, and what is another."""
    came = [f"+ {name}: {now[name]}" for name in now if name not in before]
    went = [f"- {name}: {before[name]}" for name in before if name not in now]
    both = [name for name in now if name in before and now[name] != before[name]]
    return came + went + [f"~ {name}: {before[name]} -> {now[name]}" for name in both]


def _seen(client: Client, kind: View) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    if kind in (View.cluster, View.all):
        members = client.get("cluster/members", {"limit": _PAGE})["items"]
        seen |= {f"node {one['id']}": one["status"] for one in members}
    if kind in (View.actors, View.all):
        actors = client.get("actors", {"limit": _PAGE})["items"]
        seen |= {f"actor {one.get('name') or one['id']}": one["state"] for one in actors}
    if kind is View.metrics:
        seen |= dict(line.strip().rsplit(": ", 1) for line in metric_lines(client.text("metrics").splitlines()))
    return seen


def _ask(
    show: Callable[[Client], None],
    seeds: str | None,
    endpoint: str | None,
    token_file: Any,
    timeout: float,
    best_effort: bool,
) -> None:
    """Show what the first of the addresses answers that answers at all."""
    token = find_token(token_file, os.environ)
    failure: CliError | None = None
    for address in _addresses(seeds, endpoint):
        try:
            with Client(address, token, timeout) as client:
                show(client)
                return
        except CliError as error:
            failure = error
    if failure is not None and not best_effort:
        raise failure
    if failure is not None:
        complain(f"pulsing: {failure.detail}")


def _addresses(seeds: str | None, endpoint: str | None) -> list[str]:
    listed = [seed.strip() for seed in (seeds or "").split(",") if seed.strip()]
    if not listed or endpoint:
        return [find_endpoint(endpoint, os.environ)]
    return [find_endpoint(_with_port(seed), os.environ) for seed in listed]


def _with_port(seed: str) -> str:
    has_port = seed.rpartition(":")[2].isdecimal() and not seed.endswith("]")
    return seed if has_port or "://" in seed else f"{seed}:{_PORT}"


def _write(lines: Iterable[str]) -> None:
    for line in lines:
        write_line(one_line(line))
