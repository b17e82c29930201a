"""How long a refusal takes tells nothing of what was wrong with the proof."""

from __future__ import annotations

import gc
import statistics
import time
from random import Random

from pulsing.ids import NodeId
from pulsing.wire.handshake import ClientHandshake, Headers, Refused, ServerHandshake, Terms, plain_binding

ID_C, ID_S, CLUSTER = NodeId(1), NodeId(2), "pulsing"
KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
BINDING = plain_binding("127.0.0.1", 8000)
ROUNDS, WARM_UP = 1_500, 100


def request(key: bytes = KEY) -> Headers:
    return ClientHandshake(key, ID_C, CLUSTER, Terms(), bytes(32)).request(BINDING)


def with_proof(flip: int) -> Headers:
    """A request whose proof is right but for one digit."""
    (name, value), link = request()
    at = len(value) - 64 + flip
    return [(name, value[:at] + ("0" if value[at] != "0" else "1") + value[at + 1 :]), link]


def refusal_ns(headers: Headers) -> int:
    """What one refusal takes, without whatever else the machine does meanwhile."""
    acceptor = ServerHandshake([KEY], ID_S, CLUSTER, Terms(), bytes(32))
    before = time.thread_time_ns()
    outcome = acceptor.receive(headers, BINDING)
    took = time.thread_time_ns() - before
    assert isinstance(outcome, Refused)
    return took


def times_of(kinds: dict[str, Headers]) -> dict[str, list[int]]:
    """Times of refusals of each kind, in rounds whose order is left to chance, without the longest tenth.

    Interruptions make single ones a hundred times longer; the same share of them is left out everywhere.
    """
    random, times = Random(1), {kind: list[int]() for kind in kinds}
    gc.disable()
    try:
        for number in range(ROUNDS):
            for kind in random.sample(sorted(kinds), len(kinds)):
                took = refusal_ns(kinds[kind])
                if number >= WARM_UP:
                    times[kind].append(took)
    finally:
        gc.enable()
    return {kind: sorted(took)[: len(took) * 9 // 10] for kind, took in times.items()}


def test_a_proof_that_is_nearly_right_is_refused_no_slower_and_no_faster() -> None:
    times = times_of({"another key": request(OTHER), "first digit": with_proof(0), "last digit": with_proof(63)})
    means = [statistics.fmean(took) for took in times.values()]
    assert max(means) - min(means) <= 3 * max(statistics.stdev(took) for took in times.values())


def test_what_is_no_proof_at_all_takes_the_arithmetic_of_a_wrong_one() -> None:
    right, link = request()
    times = times_of(
        {
            "wrong": request(OTHER),
            "missing": [],
            "malformed": [("Authorization", "Pulsing x"), link],
            "without terms": [right, ("Pulsing-Link", "nothing understood")],
        }
    )
    means = [statistics.fmean(took) for took in times.values()]
    # Without that arithmetic they take far less.
    assert min(means) > 0.75 * max(means)
