"""What Prometheus sees: it parses, its labels are bounded, and its sums hold."""

from __future__ import annotations

import gzip
from typing import Any

import prometheus_client
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

import pulsing as pul
from pulsing.admin.artefacts import discovery
from pulsing.admin.caps import OTHER, Cap
from pulsing.admin.families import DETAILED, FAMILIES, PREFIX
from pulsing.agent import llm
from pulsing.streaming.administration import create_queue
from tests.unit.admin.admin_world import API, COUNTER, Counter, CounterActor, Site, site


class First(CounterActor):
    """Counts too."""


class Second(CounterActor):
    """Counts as well."""


def parsed(text: str) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families: dict[str, Any], name: str, **labels: str) -> float:
    """The sum of the samples of a name that have these labels."""
    return float(
        sum(
            sample.value
            for family in families.values()
            for sample in family.samples
            if sample.name == PREFIX + name and labels.items() <= sample.labels.items()
        )
    )


async def scrape(world: Site, path: str = "/metrics") -> dict[str, Any]:
    world.plane.metrics._shared.clear()
    response = await (await world.client("viewer")).get(path)
    assert response.status_code == 200
    return parsed(response.text)


async def test_what_was_called_is_counted_by_class_method_and_outcome() -> None:
    async with site() as world:
        counter = await Counter.spawn(name="c", system=world.system)
        await counter.incr()
        await counter.incr()
        with pytest.raises(ValueError, match="no"):
            await counter.fail("no")
        families = await scrape(world)
    of = {"class": COUNTER}
    assert value(families, "actors", **of, state="running") == 1
    assert value(families, "actor_messages_total", **of, method="incr", outcome="ok") == 2
    assert value(families, "actor_errors_total", **of, method="fail", category="business") == 1
    assert value(families, "actor_handle_seconds_count", **of, method="incr") == 2
    assert value(families, "actor_handle_seconds_bucket", **of, method="incr", le="+Inf") == 2
    assert value(families, "node_info", node_id=str(world.system.node_id)) == 1
    assert "process_cpu_seconds" in families


async def test_what_alerts_wait_for_is_counted_from_nothing_on() -> None:
    """A counter that begins at its first step has not risen in the eyes of Prometheus."""
    async with site() as world:
        lossy = Counter.with_options(mailbox=pul.MailboxOptions(8, "reject"))
        await lossy.spawn(name="c", system=world.system)
        families = await scrape(world)
    samples = [sample for family in families.values() for sample in family.samples]
    counted = {(sample.name.removeprefix(PREFIX), *sorted(sample.labels.items())) for sample in samples}
    assert ("actor_mailbox_dropped_total", ("class", COUNTER), ("policy", "reject")) in counted
    assert ("actor_restarts_total", ("cause", "failure"), ("class", COUNTER)) in counted
    assert ("dead_letters_total", ("reason", "no_actor")) in counted
    assert ("cluster_member_transitions_total", ("from", "alive"), ("to", "suspect")) in counted


async def test_what_the_listener_of_membership_refuses_and_drops_is_counted_too() -> None:
    async with site() as world:
        system = world.system.inner
        system.inspectors["link_totals"] = lambda params: {"errors": {"auth": 2, "decode": 0}}
        system.inspectors["cluster_traffic"] = lambda params: {"refused": 3, "bad_messages": 1, "dropped": 4}
        families = await scrape(world)
    assert value(families, "link_errors_total", error="auth") == 5
    assert value(families, "link_errors_total", error="decode") == 1
    assert value(families, "cluster_messages_total", type="dropped", direction="in") == 4


async def test_requests_to_language_models_and_their_tokens_are_counted() -> None:
    async with site() as world:
        before = await scrape(world)
        await (await llm(model="echo")).ainvoke("one two three")
        after = await scrape(world)
    for name, labels, more in (
        ("llm_requests_total", {"outcome": "ok"}, 1),
        ("llm_tokens_total", {"kind": "prompt"}, 3),
        ("llm_tokens_total", {"kind": "completion"}, 3),
    ):
        assert value(after, name, model="echo", **labels) - value(before, name, model="echo", **labels) == more


async def test_names_kinds_and_labels_are_those_of_the_table() -> None:
    async with site() as world:
        await Counter.spawn(system=world.system)
        families = await scrape(world)
    for name, family in families.items():
        if name.startswith(PREFIX):
            key = name.removeprefix(PREFIX)
            declared = FAMILIES.get(key) or FAMILIES[f"{key}_total"]
            assert family.type == declared.kind
            assert family.documentation == declared.help
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == set(declared.labels)


def test_the_table_follows_the_rules_of_names() -> None:
    for name, family in FAMILIES.items():
        assert name.endswith("_total") is (family.kind == "counter"), name
        assert not {"id", "actor", "peer", "address"} & set(family.labels), name


async def test_over_the_caps_counts_stay_whole_and_never_fall() -> None:
    async with site(max_pairs=2, max_classes=1) as world:
        counter = await Counter.spawn(system=world.system)
        await counter.incr()
        before = await scrape(world)
        await counter.echo(1)
        with pytest.raises(ValueError, match="no"):
            await counter.fail("no")
        _ = [item async for item in counter.items(2)]
        after = await scrape(world)
    of = {"class": COUNTER}
    assert value(before, "actor_messages_total", **of, method="incr") == 1
    assert value(after, "actor_messages_total", **of, method="incr") == 1
    assert value(after, "actor_messages_total", **{"class": OTHER}, method=OTHER) == 2
    assert value(after, "metrics_capped_total", label="pair") == 2


def test_what_came_first_keeps_its_place_under_a_cap() -> None:
    cap = Cap(2)
    first = cap.admit([("a",), ("b",), ("c",)])
    later = cap.admit([("c",), ("b",)])
    assert [first((x,)) for x in "abc"] == [("a",), ("b",), (OTHER,)]
    assert [later((x,)) for x in "bc"] == [("b",), (OTHER,)]
    assert cap.over == 1


async def test_both_formats_parse_and_bodies_come_compressed_where_asked_for() -> None:
    async with site() as world:
        client = await world.client("viewer")
        text = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
        zipped = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
        opened = await client.get("/metrics?format=openmetrics")
    assert text.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.text == text.text
    assert len(gzip.compress(text.content)) < len(text.content) / 3
    assert list(parse_openmetrics(opened.text))  # type: ignore[no-untyped-call]


async def test_the_users_own_metrics_are_shown_beside_ours_once() -> None:
    own = prometheus_client.Counter("shop_orders", "orders")
    try:
        own.inc(3)
        async with site() as world:
            families = await scrape(world)
        async with site(include_default_registry=False) as world:
            without = await scrape(world)
    finally:
        prometheus_client.REGISTRY.unregister(own)
    assert families["shop_orders"].samples[0].value == 3
    assert "shop_orders" not in without


async def test_two_systems_do_not_mix_their_figures() -> None:
    async with site() as one, site() as two:
        await Counter.spawn(system=one.system)
        families = [await scrape(world) for world in (one, two)]
    of = {"class": COUNTER}
    assert [value(family, "actors", **of) for family in families] == [1, 0]


async def test_only_the_buckets_of_this_node_are_counted_so_that_sums_over_nodes_hold() -> None:
    async with site() as world:
        queue = await world.system.queue.write("q", num_buckets=4)
        await create_queue(world.system, "empty")
        await queue.put([{"id": n} for n in range(3) if queue.get_bucket_id(n) == queue.get_bucket_id(0)])
        families = await scrape(world)
    assert [value(families, "queue_buckets", queue=name) for name in ("q", "empty")] == [1, 0]
    assert value(families, "queues") == 1


async def test_metrics_are_open_only_where_the_settings_say_so() -> None:
    async with site(metrics_auth="open") as world:
        nobody = await world.client(None)
        assert (await nobody.get("/metrics")).status_code == 200
        assert (await nobody.get("/metrics/detailed?family=actor_mailbox")).status_code == 401


async def test_single_objects_are_shown_by_family_up_to_a_limit_and_sums_hold() -> None:
    async with site() as world:
        for number in range(5):
            counter = await Counter.spawn(name=f"c{number}", system=world.system)
            await counter.incr()
        whole = await scrape(world, "/metrics/detailed?family=actor_messages&family=actor_latency")
        cut = await scrape(world, "/metrics/detailed?family=actor_messages&limit=2")
        some = await scrape(world, "/metrics/detailed?family=actor_messages&actor=c[12]")
        unknown = await (await world.client("viewer")).get("/metrics/detailed?family=surprise")
    assert len(whole["pulsing_detailed_actor_messages"].samples) == 5
    assert value(cut, "detailed_actor_messages_total") == value(whole, "detailed_actor_messages_total") == 5
    assert value(cut, "detailed_actor_messages_total", actor=OTHER) == 3
    assert len(some["pulsing_detailed_actor_messages"].samples) == 2
    assert unknown.status_code == 400
    assert unknown.json()["allowed"] == list(DETAILED)


@pytest.mark.parametrize("name", ["actor", "class", "queue", "topic"])
async def test_patterns_that_take_long_to_read_are_refused(name: str) -> None:
    async with site() as world:
        client = await world.client("viewer")
        asked = "/metrics/detailed?family=actor_messages"
        assert (await client.get(f"{asked}&{name}={'[' * 256}")).status_code == 200
        assert (await client.get(f"{asked}&{name}={'[' * 257}")).status_code == 422


async def test_what_is_over_the_limit_is_summed_by_no_more_classes_than_have_series() -> None:
    async with site(max_classes=1) as world:
        for cls in (Counter, pul.remote(First), pul.remote(Second)):
            await (await cls.spawn(system=world.system)).incr()
        cut = await scrape(world, "/metrics/detailed?family=actor_messages&limit=1")
    others = {sample.labels["class"] for sample in cut["pulsing_detailed_actor_messages"].samples[1:]}
    assert len(others) == 2 and OTHER in others
    assert value(cut, "detailed_actor_messages_total") == 3


def test_only_nodes_that_can_be_scraped_are_discovered() -> None:
    row = {"id": "1", "name": "n1", "status": "alive", "admin_url": "http://127.0.0.1:8700", "host": "h", "self": True}
    rows = [
        row,
        {**row, "id": "2", "self": False, "admin_url": "http://127.0.0.1:8701"},
        {**row, "id": "3", "self": False, "host": "other"},
        {**row, "id": "4", "self": False, "admin_url": "https://10.0.0.7/pulsing", "host": "other"},
        {**row, "id": "5", "self": False, "admin_url": None},
        {**row, "id": "6", "self": False, "status": "dead"},
    ]
    targets, omitted = discovery(rows, "pulsing")
    assert [target["targets"] for target in targets] == [["127.0.0.1:8700"], ["127.0.0.1:8701"], ["10.0.0.7"]]
    assert targets[2]["labels"]["__metrics_path__"] == "/pulsing/metrics"
    assert targets[2]["labels"]["__scheme__"] == "https"
    assert omitted == 2


@pytest.mark.parametrize(
    "told",
    [
        "http://[",
        "javascript:alert(1)",
        "file://host/x",
        "http://h:99999",
        "http://me:secret@h:1",
        "http://h\x1b:1",
        "h:1",
    ],
)
def test_a_member_that_tells_of_an_address_that_is_none_hides_no_other(told: str) -> None:
    row = {"id": "1", "name": "n1", "status": "alive", "admin_url": "http://10.0.0.7:8700"}

    targets, omitted = discovery([{**row, "id": "2", "admin_url": told}, row], "pulsing")

    assert [target["targets"] for target in targets] == [["10.0.0.7:8700"]]
    assert omitted == 1


async def test_discovery_without_an_address_is_an_empty_list() -> None:
    async with site() as world:
        response = await (await world.client("viewer")).get(f"{API}/prometheus/sd")
    assert (response.json(), response.headers["x-pulsing-omitted"]) == ([], "1")


async def test_families_can_be_left_out_and_shown_under_earlier_names() -> None:
    async with site(metrics_exclude=("queue*", "topics"), legacy_names=True) as world:
        client = await world.client("viewer")
        families = parsed((await client.get("/metrics")).text)
        opened = (await client.get("/metrics?format=openmetrics")).text
    ours = {name.removeprefix(PREFIX) for name in families if name.startswith(PREFIX)}
    assert not {name for name in ours if name.startswith("queue") or name == "topics"}
    assert {"actors_total", "actors_created_total", "uptime_seconds"} <= ours
    assert families["pulsing_actors_total"].samples[0].labels == {"node_id": str(world.system.node_id)}
    assert "pulsing_uptime_seconds" not in opened
    assert list(parse_openmetrics(opened))  # type: ignore[no-untyped-call]


async def test_families_are_left_out_by_their_whole_names_too_and_those_that_are_not_ours() -> None:
    async with site(metrics_exclude=("pulsing_queue*", "process_*", "python_gc_collections_total")) as world:
        client = await world.client("viewer")
        families = parsed((await client.get("/metrics")).text)
    assert not {name for name in families if name.startswith((f"{PREFIX}queue", "process_"))}
    assert "python_gc_collections" not in families
    assert {f"{PREFIX}topics", "python_info"} <= families.keys()


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75", True),
        ("application/openmetrics-text;q=0.2,text/plain;version=0.0.4;q=0.5", False),
        ("text/plain", False),
        ("*/*", False),
        ("application/openmetrics-text;q=x", False),
        ("", False),
    ],
)
async def test_openmetrics_is_given_to_those_who_prefer_it_where_the_settings_say_so(
    accept: str, openmetrics: bool
) -> None:
    async with site(metrics_openmetrics=True) as world, site() as other:
        kinds = [
            (await (await one.client("viewer", Accept=accept)).get("/metrics")).headers["content-type"]
            for one in (world, other)
        ]
    assert [kind.startswith("application/openmetrics-text") for kind in kinds] == [openmetrics, False]
