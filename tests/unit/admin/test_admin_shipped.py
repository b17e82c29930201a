"""Alert rules, runbooks and Grafana's dashboards are made from tables, and name only metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pulsing.admin.alerts import ALERTS, alert_name
from pulsing.admin.checks import CHECKS
from pulsing.admin.families import FAMILIES, PREFIX
from pulsing.admin.grafana import DASHBOARDS, grafana_json
from pulsing.admin.shipped import shipped_files
from tests.unit.admin.admin_world import API, site

ROOT = Path(__file__).parents[3]
OF_THE_LIBRARY = frozenset({"process_open_fds", "process_max_fds", "process_resident_memory_bytes"})
EXPRESSIONS = {
    **{f"alert {check}": alert.expr for check, alert in ALERTS.items()},
    **{
        f"{name} {panel.title} {legend}": expr
        for name, one in DASHBOARDS.items()
        for panel in one.panels
        for legend, expr in panel.series.items()
    },
}


@pytest.mark.parametrize("path", shipped_files())
def test_the_files_of_the_checkout_are_those_that_the_tables_make(path: str) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == shipped_files()[path]


@pytest.mark.parametrize("expr", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_an_expression_names_metrics_and_labels_that_there_are(expr: str) -> None:
    named = re.findall(rf"{PREFIX}[a-z_]+", expr)
    for name in named:
        assert name.removeprefix(PREFIX) in FAMILIES or histogram_of(name) is not None, name
    labels = {label for name in named for label in labels_of(name)} | {"le", "instance", "job"}
    for grouped in re.findall(r" by \(([^)]*)\)", expr):
        assert {label.strip() for label in grouped.split(",") if label.strip()} <= labels
    for matcher in re.findall(r"(\w+)=\"", expr):
        assert matcher in labels


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_shows_the_chosen_nodes_alone(name: str) -> None:
    shown = json.loads(grafana_json(name, "http://127.0.0.1:8700"))
    exprs = [target["expr"] for panel in shown["panels"] for target in panel["targets"]]
    metric = r"\b(?:pulsing|process)_\w+"

    assert [variable["name"] for variable in shown["templating"]["list"]] == ["datasource", "cluster", "instance"]
    for expr in exprs:
        of_chosen = re.findall(metric + r'\{cluster=~"\$cluster",instance=~"\$instance"', expr)
        assert len(of_chosen) == len(re.findall(metric, expr)) > 0, expr


def histogram_of(name: str) -> str | None:
    family = re.sub(r"_(bucket|count|sum)$", "", name.removeprefix(PREFIX))
    return family if family in FAMILIES and FAMILIES[family].kind == "histogram" else None


def labels_of(name: str) -> tuple[str, ...]:
    return FAMILIES[histogram_of(name) or name.removeprefix(PREFIX)].labels


def test_every_check_has_a_runbook_and_an_alert() -> None:
    assert set(CHECKS) <= set(ALERTS)
    assert alert_name("event_loop_lag") == "PulsingEventLoopLag"


async def test_a_node_serves_them_with_links_to_itself() -> None:
    async with site() as world:
        client = await world.client("viewer")
        rules = (await client.get(f"{API}/prometheus/alerts.yml")).text
        boards = [(await client.get(f"{API}/prometheus/grafana.json?dashboard={name}")).json() for name in DASHBOARDS]
        wrong = await client.get(f"{API}/prometheus/grafana.json?dashboard=none")
        checks = (await client.get(f"{API}/health/checks?limit=100")).json()["items"]
    assert '"http://127.0.0.1:8700/ui/#/health"' in rules
    assert [board["uid"] for board in boards] == [f"pulsing-{name}" for name in DASHBOARDS]
    assert json.dumps(boards[0]).count("${datasource}") > 10
    assert wrong.status_code == 422
    assert all(check["runbook"]["fix"] for check in checks)
