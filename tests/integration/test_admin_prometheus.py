"""A real Prometheus finds the nodes of a cluster, scrapes them, answers with the right numbers, and takes the rules."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import pulsing as pul
from pulsing.admin.alerts import ALERTS, alert_name
from pulsing.admin.families import FAMILIES, PREFIX
from pulsing.testing import wait_until
from tests.integration.prometheus_server import answers, prometheus

ROOT = Path(__file__).parents[2]
TOKEN = "prometheus-token-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None and os.environ.get("CI") != "true", reason="prometheus is not installed"
)


class ScrapedActor:
    """Works."""

    def work(self) -> None:
        """Do nothing."""


Scraped: Any = pul.remote(ScrapedActor)


async def promtool(*arguments: str) -> tuple[int, str]:
    run = await asyncio.create_subprocess_exec(
        "promtool", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(run.communicate(), 50)
    return run.returncode or 0, output.decode()


@contextlib.asynccontextmanager
async def two_served_nodes(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Any, Any]]:
    monkeypatch.setenv("PULSING_ADMIN_TOKEN", TOKEN)
    async with contextlib.AsyncExitStack() as stack:
        one = await stack.enter_async_context(
            await pul.actor_system(addr="127.0.0.1:0", admin=True, admin_addr="127.0.0.1:0")
        )
        joined = await pul.actor_system(addr="127.0.0.1:0", seeds=[one.addr], admin=True, admin_addr="127.0.0.1:0")
        two = await stack.enter_async_context(joined)
        await wait_until(lambda: len(one.members_view()) == len(two.members_view()) == 2, timeout=30)
        yield one, two


async def test_prometheus_finds_the_nodes_scrapes_them_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_served_nodes(monkeypatch) as (one, two):
        here = await Scraped.spawn(system=one)
        there = await Scraped.spawn(system=two)
        for actor, times in ((here, 3), (there, 4)):
            for _ in range(times):
                await actor.work()
        async with httpx.AsyncClient(headers=HEADERS) as admin:
            await wait_until(lambda: one.admin_url is not None, timeout=30)
            served = await admin.get(f"{one.admin_url}/api/v1/prometheus/scrape.yml")
            rules = await admin.get(f"{one.admin_url}/api/v1/prometheus/alerts.yml")
        (tmp_path / "token").write_text(TOKEN)
        (tmp_path / "alerts.yml").write_text(rules.text)
        config = served.text.replace("/path/to/token", str(tmp_path / "token")).replace("15s", "1s")
        config += f"rule_files: [{json.dumps(str(tmp_path / 'alerts.yml'))}]\n"
        async with prometheus(tmp_path, config) as client:
            await answers(client, 'sum(up{job="pulsing"})', 2)
            of_class = f'class="{__name__}.ScrapedActor"'
            await answers(client, f'sum({PREFIX}actor_messages_total{{{of_class},outcome="ok"}})', 7)
            await answers(client, f"max({PREFIX}actor_messages_total{{{of_class}}})", 4)
            await answers(client, f"sum({PREFIX}actors{{{of_class}}})", 2)
            await answers(client, f'count({PREFIX}cluster_members{{status="alive"}} == 2)', 2)
            await answers(client, 'count(count by (node) (up{job="pulsing",cluster="pulsing"}))', 2)
            loaded = (await client.get("/rules")).json()["data"]["groups"][0]["rules"]
            assert [rule["name"] for rule in loaded] == [alert_name(check) for check in ALERTS]
            assert {rule["health"] for rule in loaded} <= {"ok", "unknown"}


@pytest.mark.parametrize(("kind", "file"), [("config", "prometheus.yml"), ("rules", "alerts.yml")])
async def test_the_shipped_files_are_accepted(kind: str, file: str) -> None:
    status, output = await promtool("check", kind, *(["--syntax-only"] if kind == "config" else []), f"docker/{file}")
    assert status == 0, output


def test_the_table_of_metrics_has_units_and_suffixes_as_prometheus_wants_them() -> None:
    for name, family in FAMILIES.items():
        assert name.endswith("_total") == (family.kind == "counter"), name
        assert family.kind != "histogram" or name.endswith("_seconds"), name


CLASS = 'class="a.B"'
SICK: dict[str, dict[str, str]] = {
    "event_loop_lag": {
        'pulsing_event_loop_lag_seconds_bucket{le="0.25",instance="n"}': "0+0x20",
        'pulsing_event_loop_lag_seconds_bucket{le="+Inf",instance="n"}': "0+600x20",
    },
    "long_turns": {f'pulsing_long_turns_total{{{CLASS},method="m"}}': "0+60x20"},
    "mailbox_saturation": {'pulsing_check_failing{check="mailbox_saturation"}': "1x20"},
    "mailbox_wait": {
        f'pulsing_actor_mailbox_wait_seconds_bucket{{{CLASS},le="2.5"}}': "0+0x20",
        f'pulsing_actor_mailbox_wait_seconds_bucket{{{CLASS},le="10"}}': "0+60x20",
        f'pulsing_actor_mailbox_wait_seconds_bucket{{{CLASS},le="+Inf"}}': "0+60x20",
    },
    "mailbox_drops": {f'pulsing_actor_mailbox_dropped_total{{{CLASS},policy="reject"}}': "0+1x20"},
    "error_ratio": {
        f'pulsing_actor_errors_total{{{CLASS},method="m",category="business"}}': "0+10x20",
        f'pulsing_actor_messages_total{{{CLASS},method="m",outcome="error"}}': "0+10x20",
        f'pulsing_actor_messages_total{{{CLASS},method="m",outcome="ok"}}': "0+90x20",
    },
    "restart_loop": {f'pulsing_actor_restarts_total{{{CLASS},cause="failure"}}': "0+1x20"},
    "dead_letters": {'pulsing_dead_letters_total{reason="stopped"}': "0+120x20"},
    "ask_timeouts": {
        'pulsing_ask_seconds_count{route="remote",outcome="ok"}': "0+90x20",
        'pulsing_ask_seconds_count{route="remote",outcome="timeout"}': "0+10x20",
    },
    "members": {'pulsing_cluster_members{status="dead"}': "1x20"},
    "agreement": {
        'pulsing_cluster_members{status="alive",instance="n"}': "3x20",
        'pulsing_cluster_members{status="alive",instance="m"}': "2x20",
    },
    "flapping": {'pulsing_cluster_member_transitions_total{from="alive",to="suspect"}': "0+1x20"},
    "link_backpressure": {"pulsing_link_backpressure_seconds_total": "0+12x20"},
    "queue_buckets": {'pulsing_queue_unavailable_buckets{queue="q"}': "1x20"},
    "queue_lag": {'pulsing_queue_reader_lag_records{queue="q"}': "2000+100x60"},
    "topic_subscribers": {'pulsing_topic_slow_subscribers{topic="t"}': "1x20"},
    "file_descriptors": {"process_open_fds": "900x20", "process_max_fds": "1000x20"},
    "disk": {'pulsing_check_failing{check="disk"}': "1x20"},
    "series_cap": {'pulsing_metrics_capped_total{label="pair"}': "0+1x20"},
    "scrape_time": {'pulsing_metrics_render_seconds{endpoint="metrics"}': "0.2x20"},
    "node_down": {'up{job="pulsing"}': "0x20"},
}


WELL = {'up{job="pulsing"}': "1x20", "process_max_fds": "1000x20"}
"""What series that are not 0 say while nothing is wrong."""


def rule_test(check: str, series: dict[str, str], fires: bool) -> dict[str, Any]:
    """One case for promtool: whether the alert fires in the end."""
    firing = f'count(ALERTS{{alertname="{alert_name(check)}",alertstate="firing"}}) or vector(0)'
    at = "59m" if any("x60" in values for values in series.values()) else "19m"
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": firing, "eval_time": at, "exp_samples": [{"labels": "{}", "value": int(fires)}]},
        ],
    }


def test_each_alert_has_a_case() -> None:
    assert set(SICK) == set(ALERTS)


async def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    cases = [rule_test(check, series, True) for check, series in SICK.items()]
    well = {check: {name: WELL.get(name, "0x20") for name in series} for check, series in SICK.items()}
    cases += [rule_test(check, series, False) for check, series in well.items()]
    document = {"rule_files": [str(ROOT / "docker/alerts.yml")], "evaluation_interval": "1m", "tests": cases}
    # JSON is YAML.
    (tmp_path / "cases.yml").write_text(json.dumps(document))
    status, output = await promtool("test", "rules", str(tmp_path / "cases.yml"))
    assert status == 0, output
