"""The pages of the documentation on metrics and on REST, made from the tables that the admin plane works by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pulsing.admin.app import declared_routes
from pulsing.admin.families import DETAILED, DETAILED_PREFIX, FAMILIES, PREFIX
from pulsing.admin.problems import KINDS
from pulsing.admin.remedies import REMEDIES
from pulsing.admin.routing import Route
from pulsing.admin.settings import AdminSettings

_METRICS = """\
# Metrics

What `/metrics` of every node gives to Prometheus. A figure is of that node alone; sums are the cluster's. Labels are
bounded: what is over a cap counts under `_other`.
"""

_DETAILED = """\
## Single objects

`/metrics/detailed?family=NAME` has series of single actors, buckets, readers, subscribers and links.
"""

_REST = """\
# REST

Every node answers for the whole cluster, on its admin listener. `/api/v1/openapi.json` describes bodies and answers;
the dashboard tries them out. Routes with a role want `Authorization: Bearer` and a token. An operator
may what a viewer may, and an admin what both may. The word of an action is what `admin.disabled_actions` and the audit
call it. A query parameter that a route does not have is refused.
"""

_PROBLEMS = """\
## Problems

What cannot be done is answered with a problem (`application/problem+json`): `type`, `title`, `status`, `detail`,
`code`, where one can be given a `hint`, `errors` with the place of each fault of the input, and a `trace_id` that finds
it in the log. `maybe_executed` says whether a message that was sent may have been handled. An exception of an actor's
own code is no problem: the call answers 200 with `ok: false`.
"""


def metrics_page() -> str:
    """The page of all metric families."""
    families = (
        (f"`{PREFIX}{name}`", family.kind, _words(family.labels), family.help) for name, family in FAMILIES.items()
    )
    details = (
        (f"`{DETAILED_PREFIX}{group}_{name}`", kind, _words(of.labels), meaning)
        for group, of in DETAILED.items()
        for name, (kind, _, meaning) in of.series.items()
    )
    heads = ("metric", "kind", "labels", "meaning")
    return "\n".join([_METRICS, *_table(heads, families), "", _DETAILED, *_table(heads, details), ""])


def rest_page() -> str:
    """The page of all routes, and of all that they answer when they refuse."""
    routes = sorted(declared_routes(AdminSettings()), key=lambda route: (route.path, route.method))
    listed = _table(("route", "", "role", "action"), map(_route_row, routes))
    problems = (
        (f"`/problems/{slug}`", str(kind.status), kind.code, kind.title, REMEDIES[slug]) for slug, kind in KINDS.items()
    )
    told = _table(("type", "status", "code", "title", "what to do"), problems)
    return "\n".join([_REST, *listed, "", _PROBLEMS, *told, ""])


def _route_row(route: Route) -> tuple[str, ...]:
    access = route.access
    return f"`{route.method} {route.path}`", route.summary, access.role or "none", access.action or ""


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield _line(heads)
    yield _line(("---",) * len(heads))
    yield from map(_line, rows)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
