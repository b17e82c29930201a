"""What the settings say of payloads holds for results, streams, previews and lists alike."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest

from pulsing.agent import agent
from tests.unit.admin.admin_world import API, Counter, site

SECRET = {"id": "1", "password": "hunter2"}


@agent(role="Scribe", goal="Write")
class Scribe:
    def note(self, text: Any) -> Any:
        return text


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("off", None),
        ("types", {"id": "str", "password": "str"}),
        ("full", {"id": "1", "password": "•••"}),
        ("preview", {"id": "1", "password": "•••"}),
    ],
)
async def test_a_result_is_shown_as_far_as_the_settings_want(mode: str, shown: Any) -> None:
    async with site(payloads=mode) as world:
        await Counter.spawn(name="c", system=world.system)
        client = await world.client("operator")
        body = {"method": "echo", "args": [SECRET]}
        answer = (await client.post(f"{API}/actors/c/call", json=body)).json()
    assert (answer["ok"], answer["result"]) == (True, shown)


async def test_a_preview_is_short() -> None:
    async with site(payloads="preview", preview_bytes=20) as world:
        await Counter.spawn(name="c", system=world.system)
        body = {"method": "echo", "args": ["x" * 1_000]}
        answer = (await (await world.client("operator")).post(f"{API}/actors/c/call", json=body)).json()
    assert (len(answer["result"]), answer["truncated"]) == (20, True)


@pytest.mark.parametrize(("mode", "visible"), [("off", False), ("types", False), ("full", True)])
async def test_previews_of_dead_letters_are_payloads(mode: str, visible: bool) -> None:
    async with site(payloads=mode) as world:
        gone = await Counter.spawn(name="gone", system=world.system)
        await world.system.stop("gone")
        await asyncio.gather(gone.ref.request("echo", ("hunter2",), None, 1), return_exceptions=True)
        [row] = (await (await world.client("operator")).get(f"{API}/dead-letters")).json()["items"]
    assert ("hunter2" in str(row["preview"])) is visible


async def test_a_list_that_has_not_changed_is_not_sent_again() -> None:
    async with site() as world:
        client = await world.client("viewer")
        first = await client.get(f"{API}/classes")
        again = await client.get(f"{API}/classes", headers={"If-None-Match": first.headers["etag"]})
        await Counter.spawn(name="c", system=world.system)
        changed = await client.get(f"{API}/classes", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert changed.status_code == 200


@pytest.mark.parametrize(
    ("mode", "role", "said"),
    [
        ("full", "operator", "'hello'"),
        ("preview", "operator", "'hello'"),
        ("off", "operator", None),
        ("full", "viewer", None),
    ],
)
async def test_what_an_agent_was_told_is_a_payload(
    mode: str, role: Literal["viewer", "operator"], said: str | None
) -> None:
    async with site(payloads=mode) as world:
        scribe = await Scribe.spawn(name="scribe", system=world.system)
        await scribe.note("hello")
        client = await world.client(role)
        detail = (await client.get(f"{API}/actors/scribe")).json()
        [card] = (await client.get(f"{API}/agents")).json()["items"]
    [exchange] = detail["last_messages"]
    assert (exchange["method"], exchange["outcome"], exchange["said"]) == ("note", "ok", said)
    assert (card["last_message"] is None) is (said is None)


async def test_keys_that_the_settings_hide_are_hidden_from_what_an_agent_was_told() -> None:
    async with site(redact=("pin",)) as world:
        scribe = await Scribe.spawn(name="scribe", system=world.system)
        await scribe.note({"pin": 1234})
        detail = (await (await world.client("operator")).get(f"{API}/actors/scribe")).json()
    assert detail["last_messages"][0]["said"] == "{'pin': •••}"
