"""Commands from the words of the command line to requests, output and exit code."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
from pulsing.admin.routes.cluster import JOIN_S
from pulsing.cli.client import Client
from pulsing.cli.errors import FAILED, NOT_FOUND, PARTIAL, TIMED_OUT, USAGE
from tests.unit.cli.scripted import Outcome, Pulsing, ScriptedServer


def page(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"items": list(items), "partial": False, "errors": [], "next": None, **more}


def sent(server: ScriptedServer, number: int = -1) -> tuple[str, Any]:
    method, path, _, content = server.requests[number]
    return f"{method} {path.removeprefix('/api/v1/')}", json.loads(content) if content else None


def test_list_asks_with_filters_and_shows_the_columns(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, page({"name": "actors/a", "mailbox": 2}))

    outcome = pulsing("list", "actors", "-f", "state=running", "--sort", "-mailbox", "--columns", "name,mailbox")

    assert sent(server)[0] == "GET actors?state=running&sort=-mailbox&limit=50"
    assert outcome == Outcome(0, "NAME      MAILBOX\nactors/a  2\n", "")


def test_names_are_listed_with_their_holders_and_not_as_json(pulsing: Pulsing, server: ScriptedServer) -> None:
    held = [{"node": node, "actor": f"{node}:1", "class": "app.W", "public": True} for node in ("00aa", "00bb")]
    server.answers(200, page({"name": "actors/w", "instances": held, "conflict": False}))

    outcome = pulsing("list", "names", "-o", "csv")

    assert outcome.out == 'name,class,nodes,conflict\nactors/w,app.W,"00aa, 00bb",no\n'


@pytest.mark.parametrize(("following", "remarks"), [("eyJr", ["1 of 812"]), (None, [])])
def test_list_says_at_a_terminal_that_there_are_more(
    pulsing: Pulsing, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, following: str | None, remarks: list[str]
) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulsing.cli.look.remark", said.append)
    server.answers(200, page({"name": "actors/a"}, next=following, filtered=812))

    pulsing("list", "actors")

    assert [text.partition(";")[0] for text in said] == remarks


def test_list_as_json_is_the_whole_answer(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, page({"name": "actors/a"}, total=1))

    assert json.loads(pulsing("list", "actors", "-o", "json").out) == page({"name": "actors/a"}, total=1)


def test_list_says_which_node_did_not_answer(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, page(partial=True, errors=[{"node": "00ff", "detail": "no answer in 2 s"}]))

    outcome = pulsing("list", "nodes")

    assert (outcome.exit_code, outcome.err) == (PARTIAL, "pulsing: node 00ff: no answer in 2 s\n")


def test_a_kind_that_does_not_exist_is_a_mistake_of_usage(pulsing: Pulsing) -> None:
    assert pulsing("list", "ghosts").exit_code == USAGE


STATUS: dict[str, Any] = {
    "name": "pulsing",
    "size": 2,
    "by_status": {"alive": 1, "suspect": 1},
    "revision": 412,
    "agreed": False,
    "latency": {"handle_s": {"p99": 0.0021}},
    "totals": {"actors": 10_000, "queues": 3, "queue_records": 120_400, "queue_max_lag": 12, "topics": 2},
    "checks": [{"name": "queue_lag", "status": "warn", "value": 71.0, "unit": "s", "node_name": "n2"}],
    "items": [{"name": "members", "status": "ok"}, {"name": "queue_lag", "status": "warn"}],
    "step_s": 1,
    "series": [{"values": [None, 10, 20, None, 40]}, {"values": [0, 0, 0, 0, 0]}],
}
"""What the four questions of `status` are answered with, all in one."""


def test_status_fits_on_one_screen(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, STATUS)

    outcome = pulsing("status")

    assert outcome.exit_code == 0
    assert outcome.out.splitlines() == [
        "cluster pulsing   2 nodes: 1 alive, 1 suspect   revision 412, views differ",
        "actors    10,000  10 msg/s  0 errors/s          handle p99 2.1 ms   wait p99 -",
        "queues    3       120,400 records  max lag 12   topics 2, - subscribers",
        "troubles  - restarts, - dead letters",
        "checks    1 ok, 1 warn: queue_lag 71 s on n2",
    ]


def test_status_keeps_words_apart(pulsing: Pulsing, server: ScriptedServer) -> None:
    by_status = {"alive": 4, "suspect": 1, "left": 11, "dead": 1}
    server.answers(200, {**STATUS, "by_status": by_status})

    first = pulsing("status").out.splitlines()[0]

    assert first == "cluster pulsing   2 nodes: 4 alive, 1 suspect, 11 left, 1 dead   revision 412, views differ"


def test_status_shows_what_is_rare_slow_or_alone_as_it_is(pulsing: Pulsing, server: ScriptedServer) -> None:
    series = [{"values": [0, 2, 2, 3]}, {"values": [4, 4, 4, 5]}]
    latency = {"handle_s": {"p99": 1.18}, "wait_s": {"p99": 0.9996}}
    checks = [{"name": "error_ratio", "status": "warn", "value": 0.25, "unit": "ratio"}]
    alone = {"size": 1, "by_status": {"alive": 1}, "series": series, "latency": latency, "checks": checks}
    server.answers(200, {**STATUS, **alone})

    first, second, *_, last = pulsing("status").out.splitlines()

    assert first.startswith("cluster pulsing   1 node: 1 alive ")
    assert second == "actors    10,000  1 msg/s  0.33 errors/s        handle p99 1.18 s   wait p99 1 s"
    assert last.endswith("1 warn: error_ratio 25 %")


@pytest.mark.parametrize(
    ("value", "unit", "shown"), [(0, "1/s", "0/s"), (0.5, "ratio", "50 %"), (71.0, "s", "71 s"), (3, None, "3")]
)
def test_a_check_shows_its_value_with_the_unit(
    pulsing: Pulsing, server: ScriptedServer, value: float, unit: str | None, shown: str
) -> None:
    server.answers(200, page({"name": "some", "status": "ok", "value": value, "unit": unit, "detail": "of it"}))

    assert pulsing("check").out == f"ok        some                 {shown:<12} of it\n"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"checks": [{"name": "loop_lag", "status": "critical"}]}, FAILED),
        ({"partial": True, "errors": [{"node": "00ff", "detail": "no answer in 2 s"}]}, PARTIAL),
    ],
)
def test_status_says_by_its_exit_code_what_is_wrong(
    pulsing: Pulsing, server: ScriptedServer, change: dict[str, Any], code: int
) -> None:
    server.answers(200, {**STATUS, **change})

    assert pulsing("status").exit_code == code
    assert pulsing("status", "-q").exit_code == code


def test_options_of_the_connection_may_stand_before_the_command(
    pulsing: Pulsing, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PULSING_ENDPOINT")
    monkeypatch.delenv("PULSING_ADMIN_TOKEN")
    (tmp_path / "token").write_text("of-this-file")
    server.answers(200, page({"name": "actors/a"}))
    before = ("--endpoint", server.url, "--token-file", str(tmp_path / "token"), "--timeout", "5", "--no-color")

    assert pulsing(*before, "list", "actors", "-o", "name") == Outcome(0, "actors/a\n", "")
    assert server.requests[-1][2]["Authorization"] == "Bearer of-this-file"
    assert pulsing("--endpoint", server.url, "-q", "list", "actors").out == ""
    after = pulsing("--endpoint", "http://127.0.0.1:1", "list", "actors", "--endpoint", server.url, "-o", "name")
    assert after.out == "actors/a\n"


@pytest.mark.parametrize("words", [("-v", "list", "actors"), ("list", "actors", "-v")])
def test_the_whole_problem_is_shown_when_asked_for(
    pulsing: Pulsing, server: ScriptedServer, words: tuple[str, ...]
) -> None:
    problem = {"type": "/problems/bad-sort", "detail": "cannot sort by 'x'", "trace_id": "4bf9"}
    server.answers(400, problem)

    outcome = pulsing(*words)

    shown, last = outcome.err.rstrip().rsplit("\n", 1)
    assert (outcome.exit_code, json.loads(shown), last) == (USAGE, problem, "pulsing: cannot sort by 'x'")
    assert pulsing("list", "actors").err == "pulsing: cannot sort by 'x'\n"


def test_records_are_shown_in_every_format(pulsing: Pulsing, server: ScriptedServer) -> None:
    answer: dict[str, Any] = {
        "items": [{"bucket_id": 1, "offset": 7, "at": None, "bytes": 9, "record": {"id": 1}}],
        "buckets": {},
    }
    server.answers(200, answer)

    assert pulsing("queue", "peek", "jobs").out == '{"id": 1}\n'
    assert json.loads(pulsing("queue", "peek", "jobs", "-o", "json").out) == answer
    assert json.loads(pulsing("queue", "peek", "jobs", "-o", "jsonl").out) == answer["items"][0]
    assert pulsing("queue", "peek", "jobs", "-o", "csv").out == (
        'offset,bucket_id,at,bytes,record\n7,1,,9,"{""id"": 1}"\n'
    )


def test_get_writes_slashes_as_tildes(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"id": "1:2"})

    pulsing("get", "actor", "actors/pool/a")

    assert sent(server)[0] == "GET actors/actors~pool~a"


def test_get_of_something_absent_exits_with_3_and_the_hint(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(404, {"detail": "no actor named 'actors/wroker'", "hint": "did you mean 'worker'?"})

    outcome = pulsing("get", "actor", "wroker")

    assert outcome.exit_code == NOT_FOUND
    assert outcome.err == "pulsing: no actor named 'actors/wroker'\nhint: did you mean 'worker'?\n"


def test_summary_shows_a_row_for_each_key(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"by": ["class"], "items": [{"key": {"class": "app.Worker"}, "actors": 20}]})

    outcome = pulsing("summary", "actors", "--by", "class", "-o", "csv")

    assert outcome.out.splitlines()[1] == "app.Worker,20,,,,"


def test_no_time_at_all_to_wait_is_refused(pulsing: Pulsing) -> None:
    outcome = pulsing("status", "--timeout", "0")

    assert outcome.exit_code == USAGE
    assert "--timeout" in outcome.err


@pytest.mark.parametrize("output", ["table", "json"])
def test_a_summary_without_one_of_the_nodes_says_so(pulsing: Pulsing, server: ScriptedServer, output: str) -> None:
    server.answers(200, {"by": ["class"], "items": [], "partial": True, "errors": [{"node": "b2", "detail": "silent"}]})

    outcome = pulsing("summary", "actors", "-o", output)

    assert (outcome.exit_code, outcome.err) == (PARTIAL, "pulsing: node b2: silent\n")


def test_spawn_sends_what_was_given_and_nothing_else(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(201, {"id": "1:2", "name": "actors/w"})

    outcome = pulsing("spawn", "app.Worker", "size=3", "label=x", "--arg", "[1]", "--name", "w", "--tag", "team=7")

    assert sent(server) == (
        "POST actors",
        {
            "class": "app.Worker",
            "args": [[1]],
            "kwargs": {"size": 3, "label": "x"},
            "name": "w",
            "tags": {"team": "7"},
        },
    )
    assert outcome.out == "1:2  actors/w\n"


def test_call_prints_the_result_as_json(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"ok": True, "result": {"n": 3}})

    outcome = pulsing("call", "worker", "work", "n=3", "--timeout", "2")

    assert sent(server) == (
        "POST actors/worker/call",
        {"method": "work", "args": [], "kwargs": {"n": 3}, "timeout": 2.0},
    )
    assert outcome.out == '{"n": 3}\n'


def test_call_prints_the_items_of_a_stream_one_a_line(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"ok": True, "items": [1, "b"]})

    assert pulsing("call", "worker", "stream").out == '1\n"b"\n'


@pytest.mark.parametrize(
    ("category", "exit_code"), [("business", FAILED), ("unsupported", FAILED), ("timeout", TIMED_OUT)]
)
def test_an_error_of_the_actor_goes_to_stderr(
    pulsing: Pulsing, server: ScriptedServer, category: str, exit_code: int
) -> None:
    error = {"category": category, "type": "PulsingBusinessError", "message": "ValueError: no", "traceback": "at x"}
    server.answers(200, {"ok": False, "error": error})

    assert pulsing("call", "worker", "work") == Outcome(
        exit_code, "", "pulsing: PulsingBusinessError: ValueError: no\n"
    )
    assert pulsing("call", "worker", "work", "-v").err.startswith("at x\n")


def test_a_message_and_a_method_exclude_each_other(pulsing: Pulsing) -> None:
    assert pulsing("call", "worker", "work", "--message", "{}").exit_code == USAGE


def test_tell_returns_nothing(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(202, {"accepted": True})

    assert pulsing("tell", "worker", "--message", '{"a": 1}') == Outcome(0, "", "")
    assert sent(server) == ("POST actors/worker/tell", {"message": {"a": 1}})


def test_stop_says_what_became_of_each(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"stopped": True})

    assert pulsing("stop", "a", "b", "--yes").out == "a: stopped\nb: stopped\n"
    assert sent(server)[0] == "DELETE actors/b?timeout=30.0"


def test_restart_names_each_actor(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"id": "1:2"})

    assert pulsing("restart", "a", "b").out == "a: restarted\nb: restarted\n"
    assert sent(server)[0] == "POST actors/b/restart"


def test_tags_are_set_and_taken_away(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"tags": {"team": "a"}})

    assert pulsing("tag", "w", "team=a", "old-").out == "team=a\n"
    assert sent(server) == ("PATCH actors/w/tags", {"team": "a", "old": None})


def test_a_tag_is_set_or_taken_away_and_nothing_else(pulsing: Pulsing, server: ScriptedServer) -> None:
    assert pulsing("tag", "w", "team").exit_code == USAGE
    assert server.requests == []


def test_put_sends_lines_in_batches_of_a_hundred(pulsing: Pulsing, server: ScriptedServer, tmp_path: Path) -> None:
    lines = tmp_path / "records"
    lines.write_text("".join(f'{{"id": {number}}}\n' for number in range(150)))
    server.answers(201, {"count": 75})

    assert pulsing("queue", "put", "q", "--file", str(lines)).out == "150 put\n"
    assert [len(json.loads(request[3])["records"]) for request in server.requests] == [100, 50]


def test_put_reads_standard_input_and_names_a_bad_line(pulsing: Pulsing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"id": 1}\nnonsense\n'))

    outcome = pulsing("queue", "put", "q")

    assert outcome.exit_code == USAGE
    assert "standard input 2 is no JSON" in outcome.err


def test_peek_shows_records_only(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"items": [{"bucket_id": 0, "offset": 1, "record": {"id": 1}}]})

    assert pulsing("queue", "peek", "q", "-n", "5", "--newest").out == '{"id": 1}\n'
    assert sent(server)[0] == "GET queues/q/messages?limit=5&order=newest"


def test_purge_wants_the_name_of_the_queue(
    pulsing: Pulsing, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("other\n"))

    assert pulsing("queue", "purge", "q").exit_code == USAGE
    assert server.requests == []


def test_publish_fails_when_a_subscriber_did_not_take_it(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"success": False, "delivered": 1, "failed": 1})

    outcome = pulsing("topic", "pub", "t", '{"a": 1}', "--mode", "wait_all_acks")

    assert outcome == Outcome(FAILED, "1 delivered, 1 failed\n", "")
    assert sent(server)[1] == {"message": {"a": 1}, "mode": "wait_all_acks"}


def test_a_subscription_shows_values_and_says_what_it_skipped(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.content_type = "text/event-stream"
    server.body = b'event: message\ndata: {"n": 1, "value": {"a": 1}}\n\nevent: skipped\ndata: {"count": 12}\n\n'

    assert pulsing("topic", "sub", "t").out == '{"a": 1}\n# skipped 12\n'


def test_events_come_oldest_first(pulsing: Pulsing, server: ScriptedServer) -> None:
    def event(at: str, kind: str) -> dict[str, Any]:
        return {"at": at, "type": kind, "subject": {"name": "actors/a"}, "data": {"reason": "x", "error": None}}

    server.answers(200, page(event("10:02", "actor.stopped"), event("10:01", "actor.spawned")))

    assert [line.split() for line in pulsing("events").out.splitlines()] == [
        ["10:01", "actor.spawned", "actors/a", "reason=x"],
        ["10:02", "actor.stopped", "actors/a", "reason=x"],
    ]


def test_events_are_for_programs_what_rest_has_and_may_be_partial(pulsing: Pulsing, server: ScriptedServer) -> None:
    items = [{"id": "1.2", "at": "10:02", "type": "a.b", "node": "1"}, {"id": "1.1", "at": "10:01", "type": "a.b"}]
    body = page(*items)
    server.answers(200, body)
    assert json.loads(pulsing("events", "-o", "json").out) == body
    assert pulsing("events", "-o", "yaml").out.startswith("items:\n")
    assert pulsing("events", "-o", "name").out == "1.1\n1.2\n"
    assert pulsing("events", "-o", "csv").out.splitlines()[-1] == "1.2,10:02,a.b,1,,"
    assert [json.loads(line) for line in pulsing("events", "-o", "jsonl").out.splitlines()] == items[::-1]

    server.answers(200, {**body, "partial": True, "errors": [{"node": "3", "detail": "no answer in 2 s"}]})
    assert pulsing("events").exit_code == PARTIAL


def test_the_dashboard_link_can_be_printed_only(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(201, {"url": "http://127.0.0.1:8700/ui/#login=abc"})

    assert pulsing("dashboard", "--print").out == "http://127.0.0.1:8700/ui/#login=abc\n"


def test_a_new_token_replaces_the_file_and_stays_private(pulsing: Pulsing) -> None:
    path = Path(pulsing("token", "path", "cluster").out.strip())

    pulsing("token", "new", "cluster")
    first = path.read_text()
    pulsing("token", "new", "cluster")

    assert len(first) == 65
    assert path.read_text() != first
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_demo_refuses_a_path_that_is_not_there(pulsing: Pulsing, tmp_path: Path) -> None:
    outcome = pulsing("demo", str(tmp_path / "nowhere"))

    assert outcome.exit_code == USAGE
    assert "nowhere does not exist" in outcome.err


def test_call_shows_the_items_of_a_stream_and_then_its_error(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.content_type = "text/event-stream"
    error = {"category": "business", "type": "PulsingBusinessError", "message": "ValueError: no\x1b[2J"}
    server.body = f'event: item\ndata: {{"n": 0, "value": 7}}\n\nevent: error\ndata: {json.dumps(error)}\n\n'.encode()

    outcome = pulsing("call", "worker", "count")

    assert outcome == Outcome(FAILED, "7\n", "pulsing: PulsingBusinessError: ValueError: no\\x1b[2J\n")
    assert server.requests[-1][2]["Accept"] == "text/event-stream"


STRANGE = "\x1b]0;owned\x07\u202e"
FAULT = {"type": "E", "category": "system", "message": STRANGE, "traceback": f"File\n  {STRANGE}"}


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("tag", "w", "a=b"), {"tags": {"a": STRANGE}}),
        (("stop", "w", "--yes"), {"stopped": STRANGE}),
        (("-v", "call", "w", "m"), {"ok": False, "error": FAULT}),
        (("list", "actors"), page(errors=[{"node": STRANGE, "detail": STRANGE}], partial=True)),
        (
            ("dead-letters", "replay", "1"),
            {"replayed": STRANGE, "failed": [{"id": STRANGE, "why": STRANGE}], "skipped": []},
        ),
        (("spawn", "app.W"), {"id": STRANGE, "name": STRANGE}),
        (("get", "actor", "w"), {"id": STRANGE, STRANGE: 1}),
        (("queue", "trim", "q", "--keep-last", "1"), {"removed": STRANGE}),
    ],
)
def test_nothing_that_a_node_says_acts_on_the_terminal(
    pulsing: Pulsing, server: ScriptedServer, words: tuple[str, ...], body: dict[str, Any]
) -> None:
    server.answers(200, body)

    outcome = pulsing(*words)

    shown = outcome.out + outcome.err
    assert shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


@pytest.mark.parametrize("form", ["json", "yaml", "jsonl", "csv", "table", "wide", "name"])
def test_every_list_has_every_format(pulsing: Pulsing, server: ScriptedServer, form: str) -> None:
    server.answers(200, page({"name": "actors/a"}))

    assert "actors/a" in pulsing("list", "actors", "-o", form).out


def test_check_is_a_line_a_check_and_fails_on_a_critical_one(pulsing: Pulsing, server: ScriptedServer) -> None:
    lag = {"name": "event_loop_lag", "status": "critical", "value": 2.5, "unit": "s", "detail": "late"}
    server.answers(200, page(lag, {"name": "members", "status": "ok"}))

    assert pulsing("check").exit_code == FAILED
    assert pulsing("check", "members") == Outcome(0, "ok        members\n", "")
    assert pulsing("check", "event_loop_lag").out.split() == ["critical", "event_loop_lag", "2.5", "s", "late"]


def test_a_check_that_does_not_exist_names_the_nearest(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, page({"name": "event_loop_lag", "status": "ok"}))

    outcome = pulsing("check", "event_lop_lag")

    assert outcome.exit_code == NOT_FOUND
    assert "did you mean event_loop_lag?" in outcome.err


def test_a_critical_check_can_be_looked_at(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(503, {"name": "event_loop_lag", "status": "critical"})

    outcome = pulsing("get", "check", "event_loop_lag", "-o", "yaml")

    assert outcome == Outcome(0, "name: event_loop_lag\nstatus: critical\n", "")


def test_letters_are_replayed_by_id_or_by_filter(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"replayed": 1, "failed": [], "skipped": [{"id": "1:2", "why": "not kept"}]})

    outcome = pulsing("dead-letters", "replay", "1:1", "1:2", "--to", "w2", "--dry-run")

    assert outcome == Outcome(PARTIAL, "1 would be replayed\n", "pulsing: 1:2: not kept\n")
    assert sent(server) == (
        "POST dead-letters/replay?dry_run=true",
        {"limit": 100, "rate": 50.0, "to": "w2", "ids": ["1:1", "1:2"]},
    )
    pulsing("dead-letters", "replay", "--reason", "stopped", "--recipient", "w")
    assert sent(server)[1]["filter"] == {"reason": "stopped", "recipient": "w"}


def test_a_replay_says_which_letters(pulsing: Pulsing, server: ScriptedServer) -> None:
    assert pulsing("dead-letters", "replay").exit_code == USAGE
    assert pulsing("dead-letters", "replay", "1:1", "--why", "stopped").exit_code == USAGE
    assert server.requests == []


def test_clearing_letters_carries_its_reason(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"cleared": 12})

    assert pulsing("dead-letters", "clear", "--reason", "looked at").out == "12 cleared\n"
    assert server.requests[-1][2]["X-Reason"] == "looked at"


def test_a_name_that_several_actors_have_is_answered_with_their_ids(pulsing: Pulsing, server: ScriptedServer) -> None:
    candidates = [{"node": "1", "id": "1:2", "href": "actors/1:2"}, {"node": "3", "id": "3:4", "href": "actors/3:4"}]
    problem = {"detail": "2 nodes hold 'actors/w'", "hint": "add ?node=", "candidates": candidates}
    server.answers(409, problem)

    outcome = pulsing("get", "actor", "w")

    assert outcome.err == "pulsing: 2 nodes hold 'actors/w'\nhint: name one by its id: 1:2, 3:4\n"


def test_a_reason_may_be_in_any_script_and_over_several_lines(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"stopped": True})

    assert pulsing("stop", "w", "--yes", "--reason", "größer\nals 大きい").exit_code == 0
    sent_as = server.requests[-1][2]["X-Reason"]
    assert sent_as.encode("latin-1").decode() == "größer als 大きい"


def test_joining_names_the_seeds(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, {"joined": True, "size": 3})

    assert pulsing("cluster", "join", "a:1", "b:2").out == "joined: 3 nodes\n"
    assert sent(server) == ("POST cluster/join", {"seeds": ["a:1", "b:2"]})


def test_joining_waits_until_the_node_gives_up(
    pulsing: Pulsing, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []

    def request(self: Client, *args: Any, **options: Any) -> Any:
        waits.append(options["timeout"])
        return usual(self, *args, **options)

    usual = Client.request
    monkeypatch.setattr(Client, "request", request)
    server.answers(503, {"type": "/problems/join-timeout", "detail": "no seed answered within 10 s"})

    assert pulsing("cluster", "join", "a:1") == Outcome(6, "", "pulsing: no seed answered within 10 s\n")
    assert waits[0] > 2 * JOIN_S


def test_a_column_that_no_row_has_is_refused(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, page({"name": "actors/a", "mailbox": 2}, {"name": "actors/b", "role": "x"}))

    outcome = pulsing("list", "actors", "--columns", "name,malbox")
    assert outcome == Outcome(2, "", "pulsing: no column 'malbox'\nhint: columns: name, mailbox, role\n")
    assert pulsing("list", "actors", "--columns", "name,role").exit_code == 0
    server.answers(200, page())
    assert pulsing("list", "actors", "--columns", "name,malbox").exit_code == 0


def test_top_shows_one_interval(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(200, page({"id": "1:2", "name": "w", "messages_total": 5, "errors_total": 0}))

    outcome = pulsing("top", "--once", "--interval", "0.1", "-o", "csv")

    assert outcome.out.splitlines()[1] == "w,,,,,0,0"
    assert pulsing("top", "--sort", "nothing").exit_code == USAGE


def test_metrics_come_as_text_from_the_root(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.content_type, server.body = "text/plain", b"# HELP pulsing_up\npulsing_up 1\n"

    assert pulsing("metrics", "dump").out == "# HELP pulsing_up\npulsing_up 1\n"
    assert server.requests[-1][1] == "/metrics"


def test_details_without_a_family_say_which_there_are(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.answers(400, {"detail": "name one or more families", "hint": "families: link, queue_bucket"})

    outcome = pulsing("metrics", "detailed")

    assert server.requests[-1][1] == "/metrics/detailed?limit=1000"
    assert outcome == Outcome(USAGE, "", "pulsing: name one or more families\nhint: families: link, queue_bucket\n")


def test_files_for_prometheus_need_no_node(pulsing: Pulsing, server: ScriptedServer, tmp_path: Path) -> None:
    assert "scrape_configs:" in pulsing("metrics", "scrape-config").out
    assert "PulsingQueueLag" in pulsing("metrics", "alerts").out
    pulsing("metrics", "grafana", "-o", str(tmp_path))
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [
        "actors.json",
        "cluster.json",
        "overview.json",
        "streaming.json",
    ]
    assert server.requests == []


def test_what_is_no_node_of_ours_is_said_to_be_none(pulsing: Pulsing, server: ScriptedServer) -> None:
    server.content_type, server.body = "text/html", b"<html>"

    outcome = pulsing("status")

    assert outcome.exit_code == FAILED
    assert "is no node of Pulsing" in outcome.err


def test_an_endpoint_that_is_no_url_is_a_mistake_of_usage(pulsing: Pulsing) -> None:
    outcome = pulsing("status", "--endpoint", "http://127.0.0.1:port")

    assert outcome.exit_code == USAGE
    assert "an endpoint looks like http://127.0.0.1:8700" in outcome.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(pulsing: Pulsing, shell: str) -> None:
    assert "_PULSING_COMPLETE" in pulsing("completion", shell).out


def test_a_shell_that_asks_is_answered(pulsing: Pulsing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_PULSING_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "pulsing list que")
    monkeypatch.setenv("COMP_CWORD", "2")

    assert pulsing().out.split() == ["queues"]


@pytest.mark.parametrize("words", [("version",), ("--version",)])
def test_the_version_is_told_by_command_and_option(pulsing: Pulsing, words: tuple[str, ...]) -> None:
    assert pulsing(*words) == Outcome(0, f"{pul.__version__}\n", "")


@pytest.mark.parametrize("command", [("queue", "put", "q", '{"id": 1}'), ("topic", "pub", "t", "1")])
def test_who_writes_to_what_is_not_there_is_told_how_to_make_it(
    pulsing: Pulsing, server: ScriptedServer, command: tuple[str, ...]
) -> None:
    server.answers(404, {"detail": "no such thing"})

    outcome = pulsing(*command)

    assert (outcome.exit_code, outcome.err) == (NOT_FOUND, "pulsing: no such thing\nhint: make it with --create\n")
