"""What nodes know of placement: the same end from any order, and holders that stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulsing.cluster.placement import weight
from pulsing.streaming.ownership.catalogue import Catalogue, QueueSettings, bucket_key, home_key, queue_of, topic_key


def test_a_key_belongs_to_the_heaviest_live_node() -> None:
    catalogue = Catalogue(weight)

    owner = catalogue.owner("q:bucket_0", [1, 2, 3])

    assert owner == max((1, 2, 3), key=lambda node: weight("q:bucket_0", node))


def test_a_holder_keeps_its_key_when_heavier_nodes_come_and_loses_it_when_it_goes() -> None:
    catalogue = Catalogue(weight)
    light, heavy = sorted((1, 2), key=lambda node: weight("k", node))
    catalogue.take("k", light)

    assert catalogue.owner("k", [light, heavy]) == light
    assert catalogue.owner("k", [heavy]) == heavy


def test_each_new_holder_has_a_higher_epoch() -> None:
    catalogue = Catalogue(weight)

    assert [catalogue.take("k", node).epoch for node in (1, 2, 1)] == [1, 2, 3]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=8),
    st.randoms(),
)
def test_news_in_any_order_leads_to_the_same_knowledge(told: list[tuple[str, int, int]], order: object) -> None:
    news = [{"queues": {}, "holdings": {key: [epoch, node]}} for key, epoch, node in told]
    shuffled = list(news)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Catalogue(weight), Catalogue(weight)
    for piece in news:
        one.merge(piece)
    for piece in [*shuffled, *shuffled]:
        other.merge(piece)

    assert one.everything() == other.everything()


def test_merging_tells_whose_keys_changed_hands() -> None:
    one, other = Catalogue(weight), Catalogue(weight)
    one.take("k", 1)
    other.take("k", 2)
    other.take("k", 2)

    assert one.merge(other.everything()) == {"k"}
    assert other.merge(one.everything()) == set()


def test_a_deleted_queue_stays_deleted_for_those_who_only_knew_it() -> None:
    one, other = Catalogue(weight), Catalogue(weight)
    one.set_up("q", QueueSettings(num_buckets=2))
    other.merge(one.everything())
    one.set_up("q", None)

    one.merge(other.everything())
    other.merge(one.everything())

    assert one.settings("q") is None
    assert other.settings("q") is None
    assert other.queues() == []


@pytest.mark.parametrize(
    ("field", "fixed", "asked"),
    [
        ("num_buckets", 4, 8),
        ("bucket_column", "id", "key"),
        ("backend", "memory", "other"),
        ("backend_options", {}, {"max_records": 1}),
    ],
)
def test_a_difference_shows_both_values(field: str, fixed: object, asked: object) -> None:
    difference = QueueSettings(**{field: fixed}).difference(QueueSettings(**{field: asked}))  # type: ignore[arg-type]

    assert difference is not None
    assert repr(fixed) in difference
    assert repr(asked) in difference


def test_a_difference_shows_no_password() -> None:
    fixed, asked = ({"url": f"redis://me:{word}@host"} for word in ("hunter2", "hunter3"))
    difference = QueueSettings(backend_options=fixed).difference(QueueSettings(backend_options=asked))

    assert difference is not None
    assert "@host" in difference and "hunter" not in difference


def test_what_one_side_has_no_opinion_on_is_no_difference() -> None:
    full = QueueSettings(4, "id", "memory", {})

    assert full.difference(QueueSettings()) is None
    assert QueueSettings().difference(full) is None


def test_settings_survive_travelling() -> None:
    settings = QueueSettings(4, "id", "memory", {"max_records": 5}, 10, "/x")

    assert QueueSettings.from_dict(settings.to_dict()) == settings


def test_what_a_first_put_has_fixed_holds_before_what_an_opening_knew() -> None:
    put, opening = Catalogue(weight), Catalogue(weight)
    put.set_up("q", QueueSettings(4, "id", "memory", {"max_records": 64}))
    opening.set_up("q", QueueSettings(backend="memory", backend_options={}))

    put.merge(opening.everything())
    opening.merge(put.everything())

    assert put.settings("q") == opening.settings("q") == QueueSettings(4, "id", "memory", {"max_records": 64})


@pytest.mark.parametrize(("queue", "key_of"), [("topic", topic_key), ("queue", home_key)])
def test_no_name_makes_the_key_of_something_else_that_of_a_bucket(queue: str, key_of: Callable[[str], str]) -> None:
    assert key_of("bucket_1") != bucket_key(queue, 1)
    assert queue_of(key_of("bucket_1")) is None
    assert key_of("bucket_one") == f"{queue}:bucket_one"
