"""Commands that read: lists, single things, counts, and the state of the whole on one screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Annotated, Any

import typer

from pulsing.cli.arguments import parse_filters
from pulsing.cli.checks import COLUMNS as CHECK_COLUMNS
from pulsing.cli.checks import amount
from pulsing.cli.client import Client, segment
from pulsing.cli.connection import NoColor, Output, colored
from pulsing.cli.errors import FAILED, PARTIAL, USAGE, CliError
from pulsing.cli.output import Format, complain, remark, show_object, show_rows, write_line
from pulsing.cli.watch import Interval, Watch, show_again

_PAGE = 1000
_RATES = {"names": "messages_total,errors_total", "range": "10m", "scope": "cluster"}
_READINGS = 10
"""A rate is taken over so many readings of a second."""
_HALF = 48
"""Characters of the left half of the status screen."""


class Listing(str, Enum):
    """What can be listed."""

    actors = "actors"
    agents = "agents"
    classes = "classes"
    methods = "methods"
    nodes = "nodes"
    members = "members"
    names = "names"
    queues = "queues"
    topics = "topics"
    links = "links"
    dead_letters = "dead-letters"
    checks = "checks"
    audit = "audit"


class Thing(str, Enum):
    """What can be looked at by itself."""

    actor = "actor"
    agent = "agent"
    class_ = "class"
    node = "node"
    queue = "queue"
    topic = "topic"
    link = "link"
    name = "name"
    check = "check"


_PATHS = {Listing.members: "cluster/members", Listing.checks: "health/checks"}

# The first column is what `-o name` prints.
_COLUMNS: dict[Listing, tuple[str, ...]] = {
    Listing.actors: ("name", "id", "class", "node", "state", "mailbox", "messages_total", "errors_total"),
    Listing.agents: ("name", "role", "goal", "class", "node", "state", "messages_total"),
    Listing.classes: ("class", "kind", "spawnable", "actors", "doc"),
    Listing.methods: ("method", "class", "kind", "messages_total", "errors_total"),
    Listing.nodes: ("name", "id", "addr", "status", "actors", "messages_total", "errors_total", "uptime_s"),
    Listing.members: ("name", "id", "addr", "status", "incarnation", "rtt_s"),
    Listing.names: ("name", "class", "nodes", "conflict"),
    Listing.queues: ("queue", "backend", "num_buckets", "records", "put_total", "read_total", "max_lag", "state"),
    Listing.topics: ("topic", "node", "subscribers", "published_total", "delivered_total", "failed_total", "state"),
    Listing.links: ("id", "peer_name", "peer", "direction", "state", "rtt_s", "pending_frames"),
    Listing.dead_letters: ("id", "at", "reason", "recipient", "kind", "method"),
    Listing.checks: CHECK_COLUMNS,
    Listing.audit: ("seq", "at", "principal", "action", "target", "outcome", "status"),
}

# The formats that show an answer as the node gave it.
_WHOLE = (Format.json, Format.yaml)

_THING_PATHS = {
    Thing.actor: "actors",
    Thing.agent: "agents",
    Thing.class_: "classes",
    Thing.node: "nodes",
    Thing.queue: "queues",
    Thing.topic: "topics",
    Thing.link: "links",
    Thing.name: "names",
    Thing.check: "health/checks",
}


def list_things(
    client: Client,
    what: Annotated[Listing, typer.Argument(help="What to list.")],
    filters: Annotated[list[str] | None, typer.Option("-f", "--filter", help="field=value; may come again.")] = None,
    search: Annotated[str | None, typer.Option(help="Only rows with this text.")] = None,
    sort: Annotated[str | None, typer.Option(help="Fields to sort by, '-' before one reverses it.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=_PAGE, help="Rows at most.")] = 50,
    all_rows: Annotated[bool, typer.Option("--all", help="Every row.")] = False,
    columns: Annotated[str | None, typer.Option(help="Columns to show, separated by commas.")] = None,
    watch: Watch = False,
    interval: Interval = 2.0,
    output: Output = Format.table,
    no_color: NoColor = False,
) -> None:
    """List actors, agents, queues and everything else there is."""
    params: list[tuple[str, Any]] = [*parse_filters(filters or []), ("search", search), ("sort", sort)]
    path = _PATHS.get(what, what.value)
    shown = tuple(columns.split(",")) if columns else _COLUMNS[what]

    def show() -> None:
        pages = list(_pages(client, path, params, _PAGE if all_rows else limit, follow=all_rows))
        if output in _WHOLE and not all_rows:
            show_object(pages[0], output, color=False)
        else:
            rows = [row for page in pages for row in page["items"]]
            if what is Listing.names and output not in (*_WHOLE, Format.jsonl):
                rows = [_with_holders(row) for row in rows]
            if columns and not watch:
                _check_columns(shown, rows)
            show_rows(rows, shown, output, color=colored(no_color))
            if pages[-1].get("next") and not watch:
                remark(f"{len(rows):,} of {pages[-1]['filtered']:,}; --all shows every row")
        exit_if_partial(pages)

    show_again(show, watch, interval)


def _check_columns(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    known = {field: None for row in rows for field in row}
    unknown = [column for column in columns if rows and column not in known]
    if unknown:
        raise CliError(f"no column {unknown[0]!r}", hint=f"columns: {', '.join(known)}", exit_code=USAGE)


def _with_holders(row: Mapping[str, Any]) -> dict[str, Any]:
    """A name with the classes and nodes of its instances, each once."""
    instances = row.get("instances") or []
    classes, nodes = ([*dict.fromkeys(each[field] for each in instances)] for field in ("class", "node"))
    return {**row, "class": ", ".join(classes), "nodes": ", ".join(nodes)}


def get_thing(
    client: Client,
    what: Annotated[Thing, typer.Argument(help="What kind of thing.")],
    name: Annotated[str, typer.Argument(help="Its id or name.")],
    watch: Watch = False,
    interval: Interval = 2.0,
    output: Output = Format.table,
    no_color: NoColor = False,
) -> None:
    """Show one thing in full."""
    path = f"{_THING_PATHS[what]}/{segment(name)}"

    def show() -> None:
        # A critical check is an answer, not a failure to get one.
        thing = client.request("GET", path, accepted=(503,) if what is Thing.check else ())
        show_object(thing, output, color=colored(no_color))

    show_again(show, watch, interval)


def summarise(
    client: Client,
    what: Annotated[Listing, typer.Argument(help="Only 'actors' for now.")],
    by: Annotated[str, typer.Option(help="One or two of class, node, state, kind, role.")] = "class",
    output: Output = Format.table,
    no_color: NoColor = False,
) -> None:
    """Count actors by class, node, state, kind or role; exit 5 when a node is silent."""
    if what is not Listing.actors:
        raise typer.BadParameter("only actors can be summarised")
    answer = client.get("actors/summary", {"by": by})
    if output in _WHOLE:
        show_object(answer, output, color=False)
    else:
        keys = by.split(",")
        rows = [{**item, **item["key"]} for item in answer["items"]]
        columns = (*keys, "actors", "messages_total", "errors_total", "restarts_total", "mailbox_messages")
        show_rows(rows, columns, output, color=colored(no_color))
    exit_if_partial([answer])


def status(client: Client, watch: Watch = False, interval: Interval = 2.0, output: Output = Format.table) -> None:
    """Show the state of the cluster on one screen; exit 1 when a check is critical, 5 when a node is silent."""
    show_again(lambda: _show_status(client, output), watch, interval)


def _show_status(client: Client, output: Format) -> None:
    overview = client.get("overview")
    if output is Format.table:
        checks = client.get("health/checks", {"limit": _PAGE})["items"]
        for line in status_lines(overview, client.get("cluster"), client.get("timeseries", _RATES), checks):
            write_line(line)
    else:
        show_object(overview, output, color=False)
    if any(check["status"] == "critical" for check in overview.get("checks") or []):
        raise typer.Exit(FAILED)
    exit_if_partial([overview])


def status_lines(
    overview: Mapping[str, Any],
    cluster: Mapping[str, Any],
    past: Mapping[str, Any],
    checks: Sequence[Mapping[str, Any]],
) -> list[str]:
    """The state of the cluster as a few lines of text."""
    totals = overview["totals"]
    by_status = ", ".join(f"{count} {name}" for name, count in cluster["by_status"].items())
    messages, errors = (_rate(one["values"], past["step_s"]) for one in past["series"])
    nodes = f"{cluster['size']} node{'' if cluster['size'] == 1 else 's'}"
    return [
        _left(f"cluster {cluster['name']}   {nodes}: {by_status}") + _agreement(cluster),
        _left(f"actors    {_count(totals, 'actors'):<8}{messages} msg/s  {errors} errors/s")
        + f"handle p99 {_p99(overview, 'handle_s')}   wait p99 {_p99(overview, 'wait_s')}",
        _left(
            f"queues    {_count(totals, 'queues'):<8}{_count(totals, 'queue_records')} records  "
            f"max lag {_count(totals, 'queue_max_lag')}"
        )
        + f"topics {_count(totals, 'topics')}, {_count(totals, 'subscribers')} subscribers",
        f"troubles  {_count(totals, 'restarts_total')} restarts, {_count(totals, 'dead_letters_total')} dead letters",
        f"checks    {_checks(checks, overview.get('checks') or [])}",
    ]


def _left(text: str) -> str:
    return f"{text}   ".ljust(_HALF)


def _agreement(cluster: Mapping[str, Any]) -> str:
    agreed = {None: "", True: "agreed", False: "views differ"}[cluster.get("agreed")]
    revision = cluster.get("revision")
    return ", ".join(filter(None, ["" if revision is None else f"revision {revision}", agreed]))


def _count(totals: Mapping[str, Any], name: str) -> str:
    value = totals.get(name)
    return "-" if value is None else f"{value:,}"


def _rate(values: Sequence[float | None], step_s: float) -> str:
    """What a counter rose a second, over its last few readings."""
    known = [(place, value) for place, value in enumerate(values) if value is not None][-_READINGS:]
    if len(known) < 2:
        return "-"
    (first, before), (last, now) = known[0], known[-1]
    rate = (now - before) / ((last - first) * step_s)
    # A failure in two seconds is not none.
    return f"{rate:.2g}" if rate < 10 else f"{rate:,.0f}"


def _checks(here: Sequence[Mapping[str, Any]], failing: Sequence[Mapping[str, Any]]) -> str:
    """How many checks are well on the node that was asked, and those that are not on any."""
    well = sum(check["status"] == "ok" for check in here)
    shown = [f"{well} ok"]
    for status in ("warn", "critical"):
        found = [check for check in failing if check["status"] == status]
        if found:
            shown.append(f"{len(found)} {status}: {', '.join(map(_check, found))}")
    return ", ".join(shown)


def _check(check: Mapping[str, Any]) -> str:
    where = "" if check.get("node_name") is None else f" on {check['node_name']}"
    return " ".join(filter(None, [check["name"], amount(check)])) + where


def _p99(overview: Mapping[str, Any], what: str) -> str:
    """The 99th percentile of the last minute."""
    seconds = overview.get("latency", {}).get(what, {}).get("p99")
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def _pages(
    client: Client, path: str, params: list[tuple[str, Any]], limit: int, *, follow: bool
) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    while True:
        page: dict[str, Any] = client.get(path, [*params, ("limit", limit), ("cursor", cursor)])
        yield page
        cursor = page.get("next")
        if not follow or not cursor:
            return


def exit_if_partial(pages: list[dict[str, Any]]) -> None:
    """Say which nodes are missing in some pages, and leave with the exit code for that."""
    faults = [fault for page in pages for fault in page.get("errors") or []]
    for fault in faults:
        complain(f"pulsing: node {fault.get('node')}: {fault.get('detail')}")
    if any(page.get("partial") for page in pages):
        raise typer.Exit(PARTIAL)
