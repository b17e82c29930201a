"""Tokens, sessions and login codes: who is let in, for how long, and what is never shown."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from pulsing.admin.auth import CODE_LIFE_S, MAX_SESSIONS, FailedLogins, Sessions, TokenFile, Tokens, make_token_file
from pulsing.admin.reach import check_reach
from pulsing.admin.settings import AdminSettings, NamedToken, Principal, default_token_file
from tests.unit.admin.admin_world import API, TOKENS, Hands, site


def test_the_users_token_file_is_made_once_for_the_owner_alone() -> None:
    Tokens(AdminSettings())
    path = default_token_file()
    token = path.read_text().strip()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(token) >= 43
    assert Tokens(AdminSettings()).principal(token) == Principal("token", "admin")
    assert [p.name for p in path.parent.iterdir()] == ["admin.token"]


def test_configured_tokens_leave_the_users_file_alone() -> None:
    tokens = Tokens(AdminSettings(tokens=(NamedToken.of("ops", "operator", "o" * 20),)))
    assert not default_token_file().exists()
    assert tokens.principal("o" * 20) == Principal("ops", "operator")
    assert tokens.principal("x") is None


def test_a_token_file_is_read_again_when_it_changes_and_not_when_others_can_read_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    file = TokenFile(path)
    assert file.digest() is None
    make_token_file(path)
    first = file.digest()
    path.write_text("another token of the admin")
    os.utime(path, ns=(1, 1))
    assert file.digest() not in (None, first)
    path.chmod(0o644)
    assert file.digest() is None
    assert "can be read by others" in caplog.text


def test_a_token_file_that_is_not_there_is_in_the_log_once_and_read_when_it_comes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    tokens = Tokens(AdminSettings(token_file=path))
    assert tokens.principal("x") is None
    assert [record.getMessage() for record in caplog.records] == [
        f"no token of {path} lets anybody in: No such file or directory"
    ]
    make_token_file(path)
    assert tokens.principal(path.read_text().strip()) == Principal("token", "admin")


def test_a_session_lives_while_it_is_used_and_ends_when_idle_or_closed() -> None:
    clock = Hands()
    sessions = Sessions(clock, idle_s=100)
    token, _ = sessions.open(Principal("a", "viewer"))
    for _ in range(5):
        clock.now += 90
        assert sessions.principal(token) == Principal("a", "viewer", "session")
    clock.now += 101
    assert sessions.principal(token) is None
    other, _ = sessions.open(Principal("a", "viewer"))
    sessions.close(other)
    assert sessions.principal(other) is None


def test_a_login_code_works_once_and_for_a_quarter_of_an_hour() -> None:
    clock = Hands()
    sessions = Sessions(clock, idle_s=100)
    code, _ = sessions.make_code(Principal("a", "operator"))
    late, _ = sessions.make_code(Principal("a", "operator"))
    used = sessions.use_code(code)
    assert used == (Principal("a", "operator", "session"), None)
    assert sessions.use_code(code) is None
    clock.now += CODE_LIFE_S + 1
    assert sessions.use_code(late) is None


def test_whoever_logs_in_without_end_ends_sessions_and_links_of_his_own_alone() -> None:
    sessions = Sessions(Hands(), idle_s=100)
    admin, viewer = Principal("a", "admin"), Principal("v", "viewer")
    session, code = sessions.open(admin)[0], sessions.make_code(admin)[0]
    first, _ = sessions.open(viewer)
    for _ in range(MAX_SESSIONS):
        sessions.open(viewer)
        sessions.make_code(viewer)
    assert sessions.principal(first) is None
    assert sessions.principal(session) == Principal("a", "admin", "session")
    assert sessions.use_code(code) == (Principal("a", "admin", "session"), None)


async def test_whoever_logged_in_with_a_token_is_out_when_it_is_replaced() -> None:
    async with site(tokens=()) as world:
        path = default_token_file()
        token, client = path.read_text().strip(), await world.client(None)
        start = world.plane.sessions.make_code(Principal("token", "admin"))[0]

        async def link(of: str) -> str:
            answer = await client.post(f"{API}/session/codes", headers={"X-Pulsing-Token": of})
            return str(answer.json()["url"].partition("#login=")[2])

        async def log_in(**shown: str) -> str:
            headers = {"Sec-Fetch-Site": "same-origin"}
            return str((await client.post(f"{API}/session", json=shown, headers=headers)).json().get("token"))

        async def status(of: str) -> int:
            return (await client.get(f"{API}/whoami", headers={"X-Pulsing-Token": of})).status_code

        by_token = await log_in(token=token)
        by_link = await log_in(code=await link(token))
        by_link_of_session = await log_in(code=await link(by_token))
        by_start = await log_in(code=start)
        unused = await link(by_token)
        sessions = [by_token, by_link, by_link_of_session, by_start]
        before = [await status(one) for one in sessions]
        path.write_text("another token of this user\n")
        os.utime(path, ns=(1, 1))
        after = [await status(one) for one in sessions]
        assert await log_in(code=unused) == "None"
    assert before == [200] * 4
    assert after == [401, 401, 401, 200]


def test_failures_are_forgotten_after_a_minute() -> None:
    clock = Hands()
    failed = FailedLogins(clock)
    for _ in range(10):
        failed.record("1.2.3.4")
    assert failed.exceeded("1.2.3.4")
    assert not failed.exceeded("5.6.7.8")
    clock.now += 61
    assert not failed.exceeded("1.2.3.4")


@pytest.mark.parametrize("addr", ["0.0.0.0:8700", "[::]:8700", "10.1.2.3:1", "example.org:8700"])
def test_a_routable_address_needs_credentials_that_somebody_chose(addr: str) -> None:
    with pytest.raises(ValueError, match=r"reachable from other machines; set PULSING_ADMIN_TOKEN"):
        check_reach(AdminSettings(addr=addr))
    check_reach(AdminSettings(addr=addr, token="t" * 20))


@pytest.mark.parametrize("addr", [None, "127.0.0.1:0", "[::1]:8700", "localhost:8700"])
def test_loopback_needs_nothing(addr: str | None) -> None:
    check_reach(AdminSettings(addr=addr))


def test_settings_refuse_what_makes_no_sense_and_hide_the_token() -> None:
    assert "canary" not in repr(AdminSettings(token="canary-canary-canary"))
    for wrong in ({"token": "short"}, {"disabled_actions": frozenset({"x"})}, {"tick_s": 0.1}, {"root_path": "x/"}):
        with pytest.raises(ValueError, match=r"token|action|tick|root"):
            AdminSettings(**wrong)


async def test_a_login_link_becomes_a_session_that_can_be_ended() -> None:
    async with site() as world:
        viewer = await world.client("viewer")
        browser = await world.client(None, **{"Sec-Fetch-Site": "same-origin"})
        link = (await viewer.post(f"{API}/session/codes")).json()
        code = link["url"].partition("#login=")[2]

        opened = await browser.post(f"{API}/session", json={"code": code})
        again = await browser.post(f"{API}/session", json={"code": code})
        token = {"X-Pulsing-Token": opened.json()["token"]}
        known = await browser.get(f"{API}/whoami", headers=token)
        ended = await browser.delete(f"{API}/session", headers=token)
        unknown = await browser.get(f"{API}/whoami", headers=token)

    assert (opened.status_code, opened.json()["role"]) == (201, "viewer")
    assert (again.status_code, again.json()["type"]) == (401, "/problems/code-used")
    assert known.json()["source"] == "session"
    assert (ended.status_code, unknown.status_code) == (204, 401)


async def test_no_secret_is_in_logs_answers_or_audit(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with site() as world:
        admin = await world.client("admin")
        browser = await world.client(None, **{"Sec-Fetch-Site": "same-origin"})
        session = (await browser.post(f"{API}/session", json={"token": TOKENS["admin"]})).json()["token"]
        await browser.post(f"{API}/session", json={"token": "wrong-token-canary"})
        shown = [
            (await admin.get(path)).text
            for path in (f"{API}/whoami", f"{API}/config", f"{API}/audit", f"{API}/events", "/metrics", f"{API}/")
        ]
    everything = "\n".join([*shown, caplog.text])
    assert TOKENS["admin"] not in everything
    assert session not in everything
    assert "wrong-token-canary" not in everything


async def test_an_app_around_this_one_may_say_who_asks() -> None:
    async def auth(request: object) -> Principal:
        return Principal("host", "operator", "app")

    async with site(tokens=(), auth=auth) as world:
        client = await world.client(None)
        who = (await client.get(f"{API}/whoami")).json()
        unproven = await client.delete(f"{API}/actors/x")
        proven = await client.delete(f"{API}/actors/x", headers={"Sec-Fetch-Site": "same-origin"})
    assert (who["name"], who["role"], who["source"]) == ("host", "operator", "app")
    assert (unproven.status_code, proven.status_code) == (403, 404)
