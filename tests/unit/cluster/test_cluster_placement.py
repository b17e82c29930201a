from __future__ import annotations

from hashlib import md5

from pulsing.cluster.member import GUEST, Member
from pulsing.cluster.placement import owner_of, weight

MEMBERS = [Member(n, f"10.0.0.{n}:7000") for n in (3, 5, 8, 13, 21)]
KEYS = [f"orders:bucket_{n}" for n in range(400)]


def test_the_weight_is_the_documented_digest() -> None:
    assert weight("orders:bucket_0", 8) == int(md5(b"orders:bucket_0:8").hexdigest(), 16)


def test_the_owner_does_not_depend_on_the_order_of_the_view() -> None:
    for key in KEYS:
        assert owner_of(key, MEMBERS) == owner_of(key, reversed(MEMBERS))


def test_a_departure_moves_only_the_keys_of_the_departed() -> None:
    gone = MEMBERS[2]
    rest = [m for m in MEMBERS if m is not gone]
    for key in KEYS:
        before = owner_of(key, MEMBERS)
        assert before is gone or owner_of(key, rest) == before


def test_keys_are_spread_over_all_members() -> None:
    shares = [sum(owner_of(key, MEMBERS) == m for key in KEYS) for m in MEMBERS]
    assert min(shares) > len(KEYS) / len(MEMBERS) / 2


def test_members_that_take_no_work_own_nothing() -> None:
    idle = [MEMBERS[0].with_status("dead"), MEMBERS[1].with_status("left"), MEMBERS[2].with_status("leaving")]
    assert owner_of("k", idle) is None
    assert owner_of("k", [*idle, MEMBERS[4]]) == MEMBERS[4]


def test_a_guest_owns_nothing() -> None:
    guest = Member(9, "127.0.0.1:9", metadata={GUEST: "0000000000000001"})

    assert owner_of("orders:bucket_0", [guest]) is None
    assert {owner_of(f"orders:bucket_{n}", [Member(1, "127.0.0.1:1"), guest]) for n in range(50)} == {
        Member(1, "127.0.0.1:1")
    }
