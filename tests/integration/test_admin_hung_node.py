"""One of five nodes hangs: lists come in time, say who is missing, and are complete of the others."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any

import httpx

import pulsing as pul
from pulsing.admin.app import create_admin_app
from pulsing.admin.settings import AdminSettings
from pulsing.testing import wait_until
from tests.integration.cluster_process import Process, processes

TOKEN = "cluster-token-0123456789"
API = "/api/v1"
FANOUT_S = 1.0
PROMISED_S = 0.2
"""A list takes so much longer than the deadline of a node, at most."""
PATIENCE_S = 3.0
"""What the machine of a test may add to it."""


@contextlib.asynccontextmanager
async def one_of_five() -> AsyncIterator[tuple[list[Process], httpx.AsyncClient]]:
    """Four nodes in processes of their own, and a client of a fifth that is here."""
    async with processes(4) as others, contextlib.AsyncExitStack() as stack:
        joined = await pul.actor_system("127.0.0.1:0", seeds=[others[0].addr], admin=False)
        system = await stack.enter_async_context(joined)
        await wait_until(lambda: len(system.members_view()) == 5, timeout=30)
        app = create_admin_app(system, AdminSettings(token=TOKEN, fanout_s=FANOUT_S))
        stack.push_async_callback(app.state.plane.close)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        transport = httpx.ASGITransport(app)
        client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700", headers=headers)
        yield others, await stack.enter_async_context(client)


async def ask(client: httpx.AsyncClient, path: str) -> tuple[dict[str, Any], float]:
    """The body of a list, and how long it took."""
    began = asyncio.get_running_loop().time()
    response = await client.get(f"{API}/{path}")
    took = asyncio.get_running_loop().time() - began
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body, took


async def test_lists_say_who_is_missing_and_come_in_time() -> None:
    async with one_of_five() as (others, client):
        before = {path: (await ask(client, path))[0] for path in ("nodes", "actors?system=true", "links", "classes")}
        others[2].signal(signal.SIGSTOP)
        try:
            # All at once, so that it is not found dead between them.
            asked = await asyncio.gather(*(ask(client, path) for path in before))
            overview, overview_took = await ask(client, "overview")
        finally:
            others[2].signal(signal.SIGCONT)
    times = [*(took for _, took in asked), overview_took]
    print("took", *(f"{took:.3f}" for took in times), "s; promised", FANOUT_S + PROMISED_S)
    assert not any(body["partial"] for body in before.values())
    for body, _ in asked:
        assert body["partial"] is True
        assert body["nodes"] == {"asked": 5, "answered": 4}
        [error] = body["errors"]
        assert (error["node"], error["type"]) == (others[2].id, "/problems/node-timeout")
    assert overview["partial"] is True
    nodes, actors, *_ = (body for body, _ in asked)
    well = {row["id"] for row in before["nodes"]["items"]} - {others[2].id}
    assert {row["id"] for row in nodes["items"]} - {others[2].id} == well
    assert {row["node"] for row in actors["items"]} == well
    assert max(times) < FANOUT_S + PROMISED_S + PATIENCE_S
