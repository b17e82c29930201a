"""What callers hear of an actor that has failed, when they come after its end."""

from __future__ import annotations

import pytest

import pulsing as pul
from pulsing.exceptions import ActorStopped
from pulsing.testing import cluster, run_virtual, wait_until


class Lapse(pul.PulsingSystemError, OSError):
    """Fails the actor."""


@pul.remote
class Frail:
    def fall(self) -> None:
        raise Lapse("no disk", recoverable=False)


def test_who_calls_after_a_failure_learns_what_it_was_on_any_node() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            here = await Frail.spawn(name="frail", system=systems[0])
            there = await Frail.resolve("frail", system=systems[1], timeout=5)
            with pytest.raises(OSError, match="no disk"):
                await here.fall()
            await wait_until(lambda: systems[0].inner.ended_actor(here.ref.actor_id) is not None, 5)

            for frail in (here, there):
                with pytest.raises(ActorStopped, match=r"has ended \(failed\): no disk") as caught:
                    await frail.fall()
                assert isinstance(caught.value.cause, pul.PulsingSystemError)
                assert isinstance(caught.value.cause, OSError)
                assert "raise Lapse" in str(caught.value.cause.remote_traceback)
                assert (caught.value.reason, caught.value.maybe_executed) == ("failed", False)

    run_virtual(scenario)


def test_who_calls_after_a_stop_is_told_no_cause() -> None:
    async def scenario() -> None:
        async with cluster(2) as systems:
            here = await Frail.spawn(name="frail", system=systems[0])
            there = await Frail.resolve("frail", system=systems[1], timeout=5)
            await systems[0].stop("frail")

            for frail in (here, there):
                with pytest.raises(ActorStopped) as caught:
                    await frail.fall()
                assert caught.value.cause is None

    run_virtual(scenario)
