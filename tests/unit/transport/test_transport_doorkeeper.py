"""Who is let wait at the door, who has to go, and who has guessed too often."""

from __future__ import annotations

import pytest

from pulsing.transport.address import is_loopback, join_address, split_address
from pulsing.transport.doorkeeper import Doorkeeper, origin_of


def test_guests_below_the_limits_displace_nobody() -> None:
    keeper = Doorkeeper[str](max_guests=4, max_guests_per_origin=2)
    assert [keeper.enter(guest, host) for guest, host in zip("abcd", ["h1", "h1", "h2", "h2"], strict=True)] == [
        None
    ] * 4
    assert keeper.guests == list("abcd")


def test_an_idle_guest_of_the_same_address_gives_way() -> None:
    keeper = Doorkeeper[str](max_guests=9, max_guests_per_origin=2)
    for guest, host in (("other", "h0"), ("old", "h1"), ("young", "h1")):
        keeper.enter(guest, host)
    assert keeper.enter("new", "h1") == "old"
    assert keeper.guests == ["other", "young", "new"]


def test_a_guest_that_has_asked_keeps_its_place_and_the_newcomer_goes() -> None:
    keeper = Doorkeeper[str](max_guests=9, max_guests_per_origin=1)
    keeper.enter("old", "h1")
    keeper.asked("old")
    assert keeper.enter("new", "h1") == "new"
    assert keeper.guests == ["old"]


def test_the_oldest_idle_guest_of_all_gives_way_when_the_house_is_full() -> None:
    keeper = Doorkeeper[str](max_guests=2, max_guests_per_origin=2)
    keeper.enter("a", "h1")
    keeper.enter("b", "h2")
    assert keeper.enter("c", "h3") == "a"


def test_loopback_may_take_all_places() -> None:
    keeper = Doorkeeper[int](max_guests=9, max_guests_per_origin=2)
    assert [keeper.enter(guest, "127.0.0.1") for guest in range(9)] == [None] * 9
    assert keeper.enter(9, "127.0.0.1") == 0


def test_an_address_with_enough_delayed_refusals_is_not_heard_until_one_is_over() -> None:
    keeper = Doorkeeper[str](max_guests=9, max_guests_per_origin=2)
    for guest in "ab":
        keeper.enter(guest, "127.0.0.1")
        keeper.asked(guest)
        keeper.hold(guest)
    assert keeper.enter("c", "127.0.0.1") == "c"
    assert keeper.enter("d", "192.0.2.1") is None
    keeper.leave("a")
    assert keeper.enter("c", "127.0.0.1") is None


def test_who_leaves_makes_room() -> None:
    keeper = Doorkeeper[str](max_guests=1, max_guests_per_origin=1)
    keeper.enter("a", "h1")
    keeper.leave("a")
    keeper.leave("a")
    assert keeper.enter("b", "h1") is None


def test_an_address_is_limited_after_its_sixth_failure_and_until_a_minute_has_passed() -> None:
    keeper = Doorkeeper[str](max_failures=5)
    for second in range(5):
        keeper.failed("192.0.2.1", float(second))
    assert not keeper.limits("192.0.2.1", 5.0)
    keeper.failed("192.0.2.1", 5.0)
    assert keeper.limits("192.0.2.1", 59.9)
    assert not keeper.limits("192.0.2.1", 60.0)
    assert not keeper.limits("192.0.2.2", 5.0)


def test_failures_of_ever_new_addresses_take_bounded_memory() -> None:
    keeper = Doorkeeper[str]()
    for number in range(5000):
        keeper.failed(f"10.0.{number // 256}.{number % 256}", number * 0.01)
    assert len(keeper._failures) <= 1024


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_one_ipv6_network_counts_as_one_address(host: str, origin: str) -> None:
    assert origin_of(host) == origin


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:8000", "127.0.0.1", 8000), ("[::1]:0", "::1", 0), ("node-1.example:65535", "node-1.example", 65535)],
)
def test_an_address_is_split_and_joined(text: str, host: str, port: int) -> None:
    assert split_address(text) == (host, port)
    assert join_address(host, port) == text


@pytest.mark.parametrize("text", ["", "host", "host:", ":80", "::1:80", "host:70000", "host:8x", "a b:1", "[::1]"])
def test_what_is_no_address_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        split_address(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.example", False),
        ("node", False),
    ],
)
def test_loopback_is_what_can_only_be_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
