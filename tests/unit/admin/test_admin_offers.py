"""An app tells of its node while it is open, and leaves no trace when it has closed."""

from __future__ import annotations

import gc
import weakref

import pulsing as pul
from pulsing.admin.app import create_admin_app


async def test_a_closed_app_leaves_the_system_as_it_was_and_is_kept_by_nobody() -> None:
    async with await pul.actor_system() as system:
        before = dict(system.inspectors)
        app = create_admin_app(system)
        gone = weakref.ref(app.state.plane)
        assert "loop_lag_s" in system.inspectors["node"]({})
        await app.state.plane.close()
        del app
        gc.collect()
        assert dict(system.inspectors) == before
        assert gone() is None


async def test_of_several_apps_the_last_one_tells_and_those_before_are_not_in_its_way() -> None:
    async with await pul.actor_system() as system:
        before = dict(system.inspectors)
        first, second = create_admin_app(system), create_admin_app(system)
        await first.state.plane.close()
        gone = weakref.ref(first.state.plane)
        del first
        gc.collect()
        assert gone() is None
        assert "loop_lag_s" in system.inspectors["node"]({})
        assert system.inspectors["checks"]({}) == []
        await second.state.plane.close()
        assert dict(system.inspectors) == before
