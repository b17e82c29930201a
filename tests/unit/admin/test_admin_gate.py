"""The door: every route, method, Host, Origin and credential, and the only cells that are allowed."""

from __future__ import annotations

import functools
import itertools
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from pulsing.admin.app import declared_routes
from pulsing.admin.body import json_depth
from pulsing.admin.hosts import AllowedHosts
from pulsing.admin.routing import Route, Routes, RouteTable
from pulsing.admin.settings import ACTIONS, ROLES, AdminSettings, Role
from tests.unit.admin.admin_world import API, BASE, TOKENS, site

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
PASSED = frozenset(range(200, 600)) - {401, 403, 405, 421}


def paths() -> list[str]:
    declared = {route.path for route in declared_routes(AdminSettings())} | {f"{API}/nothing-here"}
    return sorted(re.sub(r"\{[^}]*\}", "x", path) for path in declared)


@functools.cache
def table() -> RouteTable:
    return RouteTable(declared_routes(AdminSettings()))


def is_stream(path: str, method: str) -> bool:
    return path == f"{API}/stream" and method in ("GET", "HEAD")


def expected(path: str, method: str, role: Role | None) -> int | None:
    """The status of a refusal, or None where the request is let in."""
    routes = table().find(path)
    route: Route | None = routes.get("GET" if method == "HEAD" else method)
    if role is None and method in UNSAFE:
        return 403
    if route is not None and route.access.role is None:
        return None
    if role is None:
        return 401
    if not routes:
        return 404
    if route is None:
        return None if method == "OPTIONS" else 405
    needed = route.access.role
    assert needed is not None
    return None if ROLES.index(role) >= ROLES.index(needed) else 403


async def status_of(client: httpx.AsyncClient, method: str, path: str, **kwargs: Any) -> int:
    return (await client.request(method, path, **kwargs)).status_code


@pytest.mark.parametrize("role", [None, *ROLES])
async def test_each_role_gets_exactly_what_the_table_of_routes_gives_it(role: Role | None) -> None:
    async with site(actions_per_s=10_000) as world:
        client = await world.client(role)
        for path, method in itertools.product(paths(), METHODS):
            if is_stream(path, "GET") and method == "GET":
                continue
            status = await status_of(client, method, path)
            wanted = expected(path, method, role)
            if wanted is None:
                assert status in PASSED or (status == 403 and role), (role, method, path, status)
                assert status < 500, (role, method, path, status)
            else:
                assert status == wanted, (role, method, path, status)


HOSTS = {
    "127.0.0.1:8700": True,
    "localhost:8700": True,
    "LOCALHOST:8700": True,
    "[::1]:8700": True,
    "127.0.0.1": False,
    "127.0.0.1:8701": False,
    "evil.example:8700": False,
    "evil.example": False,
    "127.0.0.1.evil.example:8700": False,
    "localhost:8700@evil.example": False,
    "[::1": False,
    "[::1]:8700:8700": False,
    "": False,
    "127.0.0.1:08700x": False,
}


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_that_is_not_ours_is_refused_before_anything_else(host: str) -> None:
    async with site() as world:
        client = await world.client("admin", Host=host)
        for path in ("/health/live", "/ui/", f"{API}/whoami", "/metrics", "/nothing"):
            status = await status_of(client, "GET", path)
            assert (status != 421) is HOSTS[host], (host, path, status)


async def test_two_host_headers_are_refused() -> None:
    assert not AllowedHosts(AdminSettings()).permits(["127.0.0.1:8700", "127.0.0.1:8700"], 8700)
    assert not AllowedHosts(AdminSettings()).permits([], 8700)


def test_names_that_were_allowed_count_with_the_right_port_or_none() -> None:
    hosts = AllowedHosts(AdminSettings(allowed_hosts=("pulsing.example", "other.example:444"), token="x" * 20))
    allowed = ["pulsing.example", "pulsing.example:8700", "other.example:444"]
    refused = ["pulsing.example:1", "other.example", "other.example:8700"]
    assert [hosts.permits([host], 8700) for host in allowed + refused] == [True] * 3 + [False] * 3


def test_an_address_of_version_6_may_be_allowed_without_its_brackets() -> None:
    hosts = AllowedHosts(AdminSettings(allowed_hosts=("fd00::5", "[fd00::6]", "[fd00::7]:444"), token="x" * 20))
    allowed = ["[fd00::5]:8700", "[fd00::5]", "[fd00::6]:8700", "[fd00::7]:444"]
    refused = ["[fd00::5]:1", "fd00::5", "[fd00::7]:8700"]
    assert [hosts.permits([host], 8700) for host in allowed + refused] == [True] * 4 + [False] * 3


SITES: list[tuple[dict[str, str], bool]] = [
    ({}, False),
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "none"}, True),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Origin": BASE}, True),
    ({"Origin": "http://127.0.0.1:9999"}, False),
    ({"Origin": "https://evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Origin": BASE, "Sec-Fetch-Site": "cross-site"}, False),
    ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, True),
]


@pytest.mark.parametrize(("headers", "allowed"), SITES)
async def test_without_a_token_an_unsafe_request_must_prove_its_site(headers: dict[str, str], allowed: bool) -> None:
    async with site() as world:
        client = await world.client(None, **headers)
        for path, method in itertools.product(paths(), UNSAFE):
            response = await client.request(method, path)
            crossed = response.status_code == 403 and response.json()["type"] == "/problems/cross-site"
            assert crossed is not allowed, (method, path, headers, response.status_code)


async def test_an_unsafe_request_without_a_token_is_told_where_tokens_are() -> None:
    async with site() as world:
        client = await world.client(None)
        refused = (await client.post(f"{API}/actors", json={})).json()
        assert "Authorization: Bearer" in refused["hint"]
        client = await world.client("admin", **{"Sec-Fetch-Site": "cross-site"})
        assert "hint" not in (await client.post(f"{API}/actors", json={})).json()


async def test_a_cross_site_request_is_refused_even_with_a_token() -> None:
    async with site() as world:
        client = await world.client("admin", **{"Sec-Fetch-Site": "cross-site"})
        for path, method in itertools.product(paths(), UNSAFE):
            assert await status_of(client, method, path) == 403
        assert await status_of(client, "GET", f"{API}/whoami") == 200


BAD_CREDENTIALS: list[dict[str, str]] = [
    {"Authorization": "Bearer wrong"},
    {"Authorization": "Bearer "},
    {"Authorization": f"Basic {TOKENS['admin']}"},
    {"Authorization": TOKENS["admin"]},
    {"X-Pulsing-Token": "wrong"},
    {"X-Pulsing-Token": TOKENS["admin"][:-1]},
    {"Cookie": f"token={TOKENS['admin']}"},
]


@pytest.mark.parametrize("headers", BAD_CREDENTIALS)
async def test_what_is_not_a_token_is_refused_everywhere_but_on_open_routes(headers: dict[str, str]) -> None:
    async with site() as world:
        for path in (f"{API}/whoami", f"{API}/actors", "/metrics", "/cluster/members", "/nothing"):
            client = await world.client(None, **headers)
            response = await client.get(path)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == 'Bearer realm="pulsing"'
        assert await status_of(client, "GET", "/health/live") == 200


async def test_a_token_in_the_query_does_not_count() -> None:
    async with site() as world:
        client = await world.client(None)
        assert (
            await status_of(client, "GET", f"{API}/whoami?token={TOKENS['admin']}&access_token={TOKENS['admin']}")
            == 401
        )


async def test_the_eleventh_wrong_token_within_a_minute_is_too_many_but_a_right_one_still_works() -> None:
    async with site() as world:
        wrong, right = await world.client(None, **{"X-Pulsing-Token": "wrong"}), await world.client("viewer")
        statuses = [await status_of(wrong, "GET", f"{API}/whoami") for _ in range(11)]

        assert statuses == [401] * 10 + [429]
        assert await status_of(right, "GET", f"{API}/whoami") == 200


async def test_read_only_refuses_every_action_and_nothing_else() -> None:
    async with site(read_only=True, actions_per_s=10_000) as world:
        client = await world.client("admin")
        for route in declared_routes(world.plane.settings):
            if route.access.unbounded and route.access.action is None:
                continue
            path = re.sub(r"\{[^}]*\}", "x", route.path)
            response = await client.request(route.method, path)
            refused = response.status_code == 403 and response.json()["type"] == "/problems/read-only"
            assert refused is (route.access.action is not None), (route.method, route.path)


async def test_a_disabled_action_is_refused_by_name() -> None:
    async with site(disabled_actions=frozenset({"actor.spawn"})) as world:
        client = await world.client("admin")
        spawn = await client.post(f"{API}/actors", json={"class": "x"})
        stop = await client.delete(f"{API}/actors/x")
        assert (spawn.status_code, spawn.json()["type"]) == (403, "/problems/action-disabled")
        assert stop.status_code == 404


async def test_actions_are_limited_a_principal() -> None:
    async with site(actions_per_s=2) as world:
        operator, admin = await world.client("operator"), await world.client("admin")
        statuses = [await status_of(operator, "DELETE", f"{API}/actors/x") for _ in range(6)]
        assert statuses[:4] == [404] * 4
        assert 429 in statuses[4:]
        assert await status_of(admin, "DELETE", f"{API}/actors/x") == 404


async def test_every_answer_has_the_security_headers_and_no_cors_header() -> None:
    async with site() as world:
        admin, nobody = await world.client("admin"), await world.client(None)
        for client, path in (
            (admin, f"{API}/whoami"),
            (nobody, f"{API}/whoami"),
            (nobody, "/ui/"),
            (nobody, "/health"),
        ):
            headers = (await client.get(path, headers={"Origin": "https://evil.example"})).headers
            assert "default-src 'self'" in headers["content-security-policy"]
            assert "require-trusted-types-for 'script'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert not [name for name in headers if name.startswith("access-control")]
            assert path.startswith(API) is (headers.get("cache-control") == "no-store")


async def test_every_refusal_is_a_problem() -> None:
    async with site() as world:
        admin, nobody = await world.client("admin"), await world.client(None)
        requests: list[tuple[httpx.AsyncClient, str, str, dict[str, Any]]] = [
            (nobody, "GET", "/nothing", {}),
            (admin, "GET", "/nothing", {}),
            (admin, "PUT", f"{API}/actors", {}),
            (admin, "POST", f"{API}/actors", {"content": b"{"}),
            (admin, "POST", f"{API}/actors", {"content": b"x", "headers": {"content-type": "text/plain"}}),
            (admin, "POST", f"{API}/actors", {"content": b"{", "headers": {"content-type": "application/json"}}),
            (admin, "POST", f"{API}/actors", {"content": b"\xff", "headers": {"content-type": "application/json"}}),
            (admin, "POST", f"{API}/actors", {"json": {"class": "x", "surprise": 1}}),
            (admin, "POST", f"{API}/actors", {"json": []}),
            (admin, "GET", f"{API}/actors?limit=0", {}),
            (admin, "GET", "/metrics/detailed", {}),
            (admin, "GET", "/ui/../../etc/passwd", {}),
            (admin, "GET", "/ui/%2e%2e/%2e%2e/etc/passwd", {}),
        ]
        for client, method, path, kwargs in requests:
            response = await client.request(method, path, **kwargs)
            body = response.json()
            assert 400 <= response.status_code < 500, (method, path)
            assert response.headers["content-type"] == "application/problem+json"
            assert body["status"] == response.status_code
            assert body["type"].startswith("/problems/")
            assert body["trace_id"]


async def test_bodies_are_bounded_in_size_type_and_depth() -> None:
    async with site(body_bytes=1_000) as world:
        client = await world.client("admin")
        json = {"content-type": "application/json"}

        async def parts() -> Any:
            for _ in range(10):
                yield b" " * 500

        large = await client.post(f"{API}/actors", content=b" " * 1_001, headers=json)
        chunked = await client.post(f"{API}/actors", content=parts(), headers=json)
        typed = await client.post(f"{API}/actors", content=b"{}", headers={"content-type": "text/html"})
        untyped = await client.post(f"{API}/actors", content=b"{}", headers={"content-type": ""})
        deep = await client.post(f"{API}/actors", content=b"[" * 100 + b"]" * 100, headers=json)

        assert [r.status_code for r in (large, chunked, typed, untyped, deep)] == [413, 413, 415, 415, 422]


async def test_a_body_whose_length_is_told_in_two_ways_ends_the_connection() -> None:
    async with site() as world:
        client = await world.client("admin")
        headers = {"content-type": "application/json", "content-length": "2", "transfer-encoding": "chunked"}

        refused = await client.post(f"{API}/actors", content=b"{}", headers=headers)

        assert (refused.status_code, refused.headers.get("connection")) == (400, "close")


async def test_whoever_has_not_said_who_he_is_may_not_say_much() -> None:
    async with site() as world:
        nobody, admin = await world.client(None), await world.client("admin")
        long = {"token": "t" * 100, "more": "m" * 5_000}

        refused = await nobody.post(f"{API}/session", json=long, headers={"sec-fetch-site": "none"})
        read = await admin.post(f"{API}/actors", json=long)

        assert [refused.status_code, read.status_code] == [413, 422]


def test_depth_is_counted_outside_of_strings_and_without_quadratic_cost() -> None:
    assert json_depth(b"[" * 70 + b"]" * 70, 64) == 65
    assert json_depth(b'"' + b"[" * 70 + b'"', 64) == 0
    assert json_depth(b"[]" * 100, 64) == 1
    assert json_depth(b'{"a":"' + b'\\"[' * 100_000, 64) == 1
    assert json_depth(b"[]," * 70 + b'"' + b"\\\\a\n[" * 70 + b'",[[]]', 64) == 2
    assert json_depth(b"[]," * 70 + b'"\\', 64) == 1


@pytest.mark.parametrize("values", ["0", "[]", "{}", '""', '[[["\\",""]]]'])
async def test_a_body_of_more_values_than_a_loop_can_handle_at_once_is_refused(values: str) -> None:
    async with site() as world:
        client = await world.client("operator")
        body = f'{{"method": "m", "args": [[{",".join([values] * 70_000)}]]}}'
        headers = {"content-type": "application/json"}

        refused = await client.post(f"{API}/actors/nobody/call", content=body.encode(), headers=headers)

        assert (refused.status_code, refused.json()["errors"]) == (422, [{"loc": ["body"], "msg": "too many values"}])


async def test_commas_and_brackets_in_texts_are_no_values() -> None:
    async with site() as world:
        client = await world.client("operator")

        taken = await client.post(f"{API}/actors/nobody/call", json={"method": "m", "args": ['[{,\\"' * 70_000]})

        assert taken.status_code == 404


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
async def test_json_comes_as_utf_8_so_that_its_depth_is_seen(encoding: str) -> None:
    async with site() as world:
        client = await world.client("operator")
        # Half of this letter is a quotation mark for who reads bytes: what follows looks like a text.
        deep = ('{"method": "\u2200", "args": ' + "[" * 100 + "]" * 100 + "}").encode(encoding)

        refused = await client.post(
            f"{API}/actors/nobody/call", content=deep, headers={"content-type": "application/json"}
        )

        assert (refused.status_code, refused.json()["detail"]) == (400, "the body must be JSON in UTF-8")


async def test_head_answers_like_get_without_a_body_and_options_names_the_methods() -> None:
    async with site() as world:
        client = await world.client("admin")
        got, head = await client.get(f"{API}/whoami"), await client.head(f"{API}/whoami")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(got.content)))
        assert (await client.head(f"{API}/stream")).status_code == 200
        assert (await client.options(f"{API}/actors")).headers["allow"] == "GET, HEAD, OPTIONS, POST"
        refused = await client.put(f"{API}/actors")
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")


async def test_actions_and_refusals_are_audited_with_reason_and_without_secrets() -> None:
    async with site() as world:
        operator, admin = await world.client("operator"), await world.client("admin")
        body = {"class": "nope", "kwargs": {"api_key": "s3cret", "size": 1}}
        await operator.post(f"{API}/actors", json=body, headers={"X-Reason": "because"})
        await operator.get(f"{API}/audit")
        rows = (await admin.get(f"{API}/audit")).json()["items"]

    refused, spawned = rows
    assert (spawned["action"], spawned["principal"], spawned["reason"]) == ("actor.spawn", "operator", "because")
    assert (spawned["outcome"], spawned["status"]) == ("failed", 404)
    assert spawned["parameters"]["kwargs"] == {"api_key": "•••", "size": 1}
    assert (refused["action"], refused["outcome"], refused["status"]) == ("request", "refused", 403)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
async def test_a_reason_is_kept_in_any_script(encoding: str) -> None:
    async with site() as world:
        reason = "größer" if encoding == "latin-1" else "größer, 大きい"
        admin = await world.client("admin")
        await admin.delete(f"{API}/actors/nobody", headers={b"X-Reason": reason.encode(encoding)})
        [row] = (await admin.get(f"{API}/audit?action=actor.stop")).json()["items"]
    assert row["reason"] == reason


async def test_the_trace_of_a_request_is_kept() -> None:
    async with site() as world:
        client = await world.client("admin")
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        response = await client.get("/nothing", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
        assert response.json()["trace_id"] == trace
        assert trace in response.headers["traceparent"]


def test_a_route_without_a_role_cannot_be_declared_or_slipped_in() -> None:
    routes = Routes("test")
    with pytest.raises(TypeError):
        routes.get("/open")  # type: ignore[call-arg]
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_api_route("/slipped-in", lambda: None)
    with pytest.raises(RuntimeError, match="slipped-in"):
        table().check(app)


def test_apps_share_the_routes_that_are_declared_alike() -> None:
    open_to_all = RouteTable(declared_routes(AdminSettings(metrics_auth="open")))
    unlike = [one.path for one, other in zip(table().routes, open_to_all.routes, strict=True) if one != other]
    shared = [one is other for one, other in zip(table().as_served(), open_to_all.as_served(), strict=True)]
    assert unlike == ["/metrics"]
    assert shared.count(False) == 1


async def test_a_route_that_is_added_later_is_denied() -> None:
    async with site() as world:
        world.app.add_api_route("/later", lambda: {"secret": 1})
        assert await status_of(await world.client("admin"), "GET", "/later") == 404


def test_every_unsafe_route_is_an_action_or_concerns_the_caller_alone() -> None:
    harmless = {f"{API}/session", f"{API}/stream/{{sid}}"}
    for route in declared_routes(AdminSettings()):
        if route.method in UNSAFE:
            assert route.access.action in ACTIONS or route.path in harmless


async def test_no_route_but_lists_takes_a_query_parameter_that_it_does_not_have() -> None:
    async with site() as world:
        client = await world.client("admin")
        for route in declared_routes(AdminSettings()):
            if route.path.startswith(API) and "parameters" not in route.options.get("openapi_extra", {}):
                path = re.sub(r"{.*?}", "x", route.path)
                json: Any = {} if route.method in ("POST", "PUT", "PATCH") else None
                answer = await client.request(route.method, f"{path}?no_such=1", json=json)
                assert answer.json()["errors"][0]["loc"] == ["query", "no_such"], route


async def test_a_websocket_is_turned_away() -> None:
    async with site() as world:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        await world.app({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
