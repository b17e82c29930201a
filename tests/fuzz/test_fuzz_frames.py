"""Spoilt messages, in numbers: the decoder takes them or refuses them, and a node that gets them goes on.

PULSING_FUZZ=1000000 pytest tests/fuzz --timeout 3600          structured changes, for the decoder
PULSING_FUZZ_LIVE=100000 pytest tests/fuzz --timeout 3600      the same, for a node that lives
PULSING_FUZZ_SEED=7 …                                          other changes
"""

from __future__ import annotations

import os
import time

import pytest

from tests.campaigns.noted import note
from tests.fuzz.inputs import Spoiler, feed, messages
from tests.integration.hostile import rogue, siege

SEED = int(os.environ.get("PULSING_FUZZ_SEED", "1"))
INPUTS = int(os.environ.get("PULSING_FUZZ", "40000"))
LIVE_INPUTS = int(os.environ.get("PULSING_FUZZ_LIVE", "300"))
TOO_LONG_S = 2.0
"""A tenth of a second was promised for one input; the machine may be busy with something else meanwhile."""


def test_what_is_not_spoilt_is_taken() -> None:
    assert sum(map(feed, messages())) > len(messages()) // 2


def test_spoilt_messages_are_taken_or_refused_with_the_one_error() -> None:
    spoiler = Spoiler(SEED)
    taken = slowest = 0.0
    for number in range(INPUTS):
        message = spoiler.next()
        before = time.process_time()
        try:
            taken += feed(message)
        except Exception as error:
            raise AssertionError(f"seed {SEED}, input {number}: {message[:400].hex()}") from error
        slowest = max(slowest, time.process_time() - before)
    note(changed_frames=INPUTS, slowest_ms=slowest * 1000)
    assert slowest < TOO_LONG_S
    assert 0 < taken < INPUTS


@pytest.mark.timeout(120 + LIVE_INPUTS // 20)
async def test_a_node_that_gets_spoilt_messages_goes_on_answering_others() -> None:
    spoiler = Spoiler(SEED)
    async with siege() as under:
        sent = 0
        while sent < LIVE_INPUTS:
            async with rogue(under.addr) as peer:
                for _ in range(10):
                    peer.send(spoiler.next())
                    sent += 1
            if sent % 200 == 0:
                await under.check()
        await under.check()
        note(frames_to_a_live_node=sent, honest_calls_meanwhile=under.calls)
