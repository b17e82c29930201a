from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

import pytest

from pulsing.cluster.seeds import Dial, Resolve, Seeds, parse_address


def nobody(addr: str, node_id: int | None) -> bool:
    return False


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("localhost:7000", "localhost", 7000), ("10.0.0.1:0", "10.0.0.1", 0), ("[::1]:80", "::1", 80)],
)
def test_an_address_is_read_and_written_back(text: str, host: str, port: int) -> None:
    address = parse_address(text)
    assert (address.host, address.port, str(address)) == (host, port, text)


def test_a_dns_seed_means_all_addresses_behind_the_name() -> None:
    address = parse_address("dns://workers.local:7000")
    assert address.all_addresses
    assert str(address) == "dns://workers.local:7000"


@pytest.mark.parametrize(
    "text",
    ["", "host", ":7000", "host:", "host:x", "host:65536", "::1:80", "[::1]", "a b:1", "http://a:1", "u@h:1", 7000],
)
def test_a_bad_address_is_named_in_the_error(text: Any) -> None:
    with pytest.raises(ValueError, match="invalid socket address syntax: "):
        parse_address(text)


def test_one_bad_seed_adds_none() -> None:
    seeds = Seeds(1, Random(1))
    with pytest.raises(ValueError, match="invalid socket address"):
        seeds.add(["a:1", "nonsense"], 0.0)
    assert seeds.next_deadline() is None


def test_an_unreachable_seed_is_tried_again_with_growing_pauses_for_ever() -> None:
    seeds = Seeds(1, Random(1))
    seeds.add(["a:1"], 0.0)
    now = 0.0
    tries: list[float] = []
    while len(tries) < 12:
        now = seeds.next_deadline() or 0.0
        assert seeds.tick(now, nobody) == [Dial("a:1")]
        tries.append(now)
    pauses = [b - a for a, b in pairwise(tries)]
    assert pauses[0] <= 1.0 < pauses[2]
    assert max(pauses) <= 10.0


def test_a_seed_is_left_alone_while_a_live_member_answers_there_and_tried_again_after() -> None:
    seeds = Seeds(1, Random(1))
    seeds.add(["name:1"], 0.0)
    seeds.tick(0.0, nobody)
    seeds.connected("name:1", 42)
    now = seeds.next_deadline() or 0.0
    assert seeds.tick(now, lambda addr, node_id: node_id == 42) == []
    now = seeds.next_deadline() or 0.0
    assert seeds.tick(now, nobody) == [Dial("name:1")]


def test_a_seed_that_says_nothing_is_told_from_one_that_was_not_asked() -> None:
    seeds = Seeds(1, Random(1))
    seeds.add(["a:1"], 0.0)
    assert [r.reason for r in seeds.report(nobody)] == [""]
    seeds.tick(0.0, nobody)
    assert [r.reason for r in seeds.report(nobody)] == ["no answer yet"]
    seeds.failed("a:1", "nobody listens there")
    seeds.tick(5.0, nobody)
    assert [r.reason for r in seeds.report(nobody)] == ["nobody listens there"]
    seeds.connected("a:1", 2)
    assert [r.reason for r in seeds.report(nobody)] == [""]


def test_the_own_address_is_recognised_and_forgotten() -> None:
    seeds = Seeds(1, Random(1))
    seeds.add(["me:1"], 0.0)
    seeds.tick(0.0, nobody)
    seeds.connected("me:1", 1)
    assert seeds.next_deadline() is None
    seeds.add(["me:1"], 1.0)
    assert seeds.next_deadline() is None


def test_a_dns_seed_is_looked_up_again_and_again_and_its_addresses_are_dialled() -> None:
    seeds = Seeds(1, Random(1))
    seeds.add(["dns://w:7"], 0.0)
    assert seeds.tick(0.0, nobody) == [Resolve("dns://w:7")]
    seeds.resolved("dns://w:7", ["10.0.0.2:7", "10.0.0.1:7"], 0.1)
    assert seeds.tick(0.1, nobody) == [Dial("10.0.0.1:7"), Dial("10.0.0.2:7")]
    seeds.resolved("dns://w:7", ["10.0.0.2:7"], 0.2)
    assert [r.addr for r in seeds.report(nobody)] == ["10.0.0.2:7", "dns://w:7"]
    assert Resolve("dns://w:7") in seeds.tick(30.0, nobody)


def test_a_seed_that_has_been_silent_from_the_beginning_may_hide_others() -> None:
    seeds = Seeds(1, Random(1))
    assert not seeds.may_hide_others(nobody)
    seeds.add(["a:1", "b:1"], 0.0)
    seeds.tick(0.0, nobody)
    assert seeds.may_hide_others(nobody)
    seeds.failed("a:1", "nobody listens there", refused=True)
    seeds.failed("b:1", "no route")
    assert seeds.may_hide_others(nobody)
    seeds.connected("b:1", 42)
    assert seeds.may_hide_others(nobody)  # whoever proved its id has not told what it knows
    assert not seeds.may_hide_others(lambda addr, node_id: node_id == 42)


def test_a_member_that_has_been_known_at_a_seed_hides_nobody_once_it_is_gone() -> None:
    seeds = Seeds(1, Random(1))
    seeds.add(["a:1"], 0.0)
    assert seeds.tick(0.0, lambda addr, node_id: addr == "a:1") == []
    assert not seeds.may_hide_others(nobody)


def test_a_dns_seed_may_hide_others_until_it_was_looked_up() -> None:
    seeds = Seeds(1, Random(1))
    seeds.add(["dns://w:7"], 0.0)
    assert seeds.may_hide_others(nobody)
    seeds.resolved("dns://w:7", [], 0.1, "cannot be looked up")
    assert not seeds.may_hide_others(nobody)
    seeds.resolved("dns://w:7", ["10.0.0.2:7"], 10.0)
    assert seeds.may_hide_others(nobody)
