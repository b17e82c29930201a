"""Messages that are issued at once arrive in the order of issue, over links that break all the time.

PULSING_ORDER=1000000 pytest tests/integration/test_node_order_broken.py --timeout 3600
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from pulsing.testing import cluster
from tests.campaigns.noted import note
from tests.integration.order_storm import REGISTER, SENDERS, Storm

MESSAGES = int(os.environ.get("PULSING_ORDER", "60000"))
RECEIVERS = 4
BREAK_EVERY = 10_000
"""Messages between two breaks of the link."""


@pytest.mark.timeout(60 + MESSAGES // 1000)
async def test_no_message_overtakes_an_earlier_one_however_often_links_break() -> None:
    async with cluster(2, transport="websocket") as (here, there):
        spawned = [await REGISTER.spawn(name=f"register{n}", system=there) for n in range(RECEIVERS)]
        receivers = [(await here.refer(str(each.ref.actor_id))).as_type(REGISTER) for each in spawned]
        storm = Storm(receivers)
        sending = asyncio.gather(*(storm.send(n, MESSAGES // SENDERS // RECEIVERS) for n in range(SENDERS)))
        breaks = await break_links(here, there, storm, sending)
        await sending
        arrived = await storm.check(spawned)
        assert breaks >= 3
        note(messages=storm.sent, arrived=arrived, reported_lost=storm.lost, breaks=breaks, inversions=0)


async def break_links(here: Any, there: Any, storm: Storm, sending: Any) -> int:
    """Break the link whenever so many messages have gone, by one end and the other in turn; how often."""
    breaks, next_at = 0, BREAK_EVERY
    while not sending.done():
        if storm.sent >= next_at:
            next_at += BREAK_EVERY
            breaks += 1
            node, other = ((here, there), (there, here))[breaks % 2]
            for link in list(node.inner.router.peer(other.node_id).links):
                link.connection.abort()
        await asyncio.sleep(0.001)
    return breaks
