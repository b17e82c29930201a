"""REST as commands see it, against a server that answers what a test tells it to."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote_plus

import pytest

from pulsing.cli.client import Client, ServerEvent, read_events, segment
from pulsing.cli.errors import FAILED, NOT_ALLOWED, NOT_FOUND, TIMED_OUT, CliError
from tests.unit.cli.scripted import ScriptedServer


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    with Client(server.url, "secret", timeout=5.0) as connected:
        yield connected


def test_a_request_carries_the_token_and_only_given_parameters(server: ScriptedServer, client: Client) -> None:
    server.answers(200, {"items": []})

    assert client.get("actors", {"search": "a b", "sort": None}) == {"items": []}

    method, path, headers, _ = server.requests[0]
    assert (method, unquote_plus(path)) == ("GET", "/api/v1/actors?search=a b")
    assert headers["Authorization"] == "Bearer secret"


def test_an_answer_without_content_is_none(server: ScriptedServer, client: Client) -> None:
    server.status, server.body = 204, b""

    assert client.request("DELETE", "topics/a/subscribers/b") is None


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [(401, NOT_ALLOWED), (403, NOT_ALLOWED), (404, NOT_FOUND), (504, TIMED_OUT), (500, FAILED)],
)
def test_a_problem_becomes_its_detail_hint_and_exit_code(
    server: ScriptedServer, client: Client, status: int, exit_code: int
) -> None:
    server.answers(status, {"title": "No", "detail": "no actor named 'wroker'", "hint": "did you mean 'worker'?"})

    with pytest.raises(CliError) as caught:
        client.get("actors/wroker")

    assert caught.value.detail == "no actor named 'wroker'"
    to_log_in = "use --token-file FILE or PULSING_ADMIN_TOKEN"
    assert caught.value.hint == (to_log_in if status == 401 else "did you mean 'worker'?")
    assert caught.value.exit_code == exit_code


def test_faults_that_the_detail_tells_are_not_told_again(server: ScriptedServer, client: Client) -> None:
    errors = [{"loc": ["body", "kwargs", "number"], "msg": "not an integer"}]
    server.answers(422, {"detail": "number: not an integer", "errors": errors})
    with pytest.raises(CliError) as failed:
        client.get("actors")
    assert failed.value.detail == "number: not an integer"


def test_faults_of_the_input_are_listed(server: ScriptedServer, client: Client) -> None:
    server.answers(422, {"detail": "bad body", "errors": [{"loc": ["body", "size"], "msg": "not an integer"}]})

    with pytest.raises(CliError, match=r"bad body; body\.size: not an integer"):
        client.request("POST", "actors", body={})


def test_an_answer_that_is_no_problem_is_reported_by_its_status(server: ScriptedServer, client: Client) -> None:
    server.status, server.body = 502, b"<html>"

    with pytest.raises(CliError, match="answered 502"):
        client.get("nodes")


def test_where_there_is_no_admin_plane_one_is_told_what_an_endpoint_looks_like(
    server: ScriptedServer, client: Client
) -> None:
    server.status, server.body = 404, b"not found"

    with pytest.raises(CliError, match="answered 404") as caught:
        client.get("nodes")
    assert "looks like http://127.0.0.1:8700" in (caught.value.hint or "")


def test_faults_of_validation_are_said_once(server: ScriptedServer, client: Client) -> None:
    errors = [{"loc": ["body", "records", 0], "msg": "no object"}]
    server.answers(422, {"type": "/problems/validation", "detail": "does not fit at: records.0", "errors": errors})

    with pytest.raises(CliError) as caught:
        client.request("POST", "queues/q/messages", body={})
    assert caught.value.detail == "records.0: no object"


def test_a_port_without_a_node_is_said_to_be_one(free_port: int) -> None:
    with (
        Client(f"http://127.0.0.1:{free_port}", None, timeout=5.0) as client,
        pytest.raises(CliError, match="no node answers") as caught,
    ):
        client.get("nodes")

    assert "pulsing serve" in (caught.value.hint or "")


def test_an_event_stream_is_read_frame_by_frame(server: ScriptedServer, client: Client) -> None:
    server.content_type = "text/event-stream"
    server.body = b'retry: 2000\n\n: hello\n\nid: 7\nevent: message\ndata: {"n":\ndata: 1}\n\n'

    assert list(client.events("topics/t/tail")) == [ServerEvent("message", {"n": 1}, "7")]


def test_a_refused_event_stream_is_an_error(server: ScriptedServer, client: Client) -> None:
    server.answers(404, {"detail": "no topic 't'"})

    with pytest.raises(CliError, match="no topic 't'"):
        list(client.events("topics/t/tail"))


def test_a_frame_without_an_event_is_a_message() -> None:
    assert list(read_events(iter(["data: 1", ""]))) == [ServerEvent("message", 1)]


def test_slashes_of_a_name_become_tildes() -> None:
    assert segment("actors/pool/w 1") == "actors~pool~w%201"
