"""Every command that asks a node, one after the other, against one that runs in a process of its own."""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import yaml

from pulsing.cli import main
from tests.integration.cli_node import COMMAND, LIMIT_S, Node, running
from tests.integration.cli_node import pulsing as in_a_shell
from tests.unit.cli.scripted import Outcome, Pulsing

MODULE = """
import asyncio

import pulsing as pul

@pul.remote
class Worker:
    def __init__(self, size: int = 1) -> None:
        self.size = size

    def add(self, number: int) -> int:
        self.size += number
        return self.size

    async def count(self, to: int):
        for number in range(to):
            yield number
        await asyncio.sleep(60)

    def fail(self) -> None:
        raise ValueError("no")
"""

LISTINGS = (
    "actors", "agents", "classes", "methods", "nodes", "members", "names", "queues", "topics", "links",
    "dead-letters", "checks", "audit",
)  # fmt: skip

PATHS = {"members": "cluster/members", "checks": "health/checks"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home that the node and all commands of this file share."""
    home = tmp_path_factory.mktemp("home")
    (home / "app.py").write_text(MODULE)
    (home / "pulsing.toml").write_text('node.name = "walked"\n[logs]\nformat = "json"\n')
    with pytest.MonkeyPatch.context() as patch:
        move_into(home, patch)
        yield home


@pytest.fixture(scope="module")
def node(home: Path) -> Iterator[Node]:
    """A node with one worker, a queue and a topic."""
    with running(home, ("serve", "app", "--set", "limits.actions_per_s=1000")) as node:
        for words in (
            ("spawn", "app.Worker", "--name", "w"),
            ("queue", "put", "jobs", '{"id": 1}', "--create"),
            ("topic", "pub", "news", "1", "--create"),
        ):
            assert in_a_shell(*words).returncode == 0
        yield node


@pytest.fixture(autouse=True)
def shell(home: Path, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each test has a home of its own otherwise.
    move_into(home, monkeypatch)


def move_into(home: Path, patch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        folder = home / name.lower()
        folder.mkdir(mode=0o700, exist_ok=True)
        patch.setenv(name, str(folder))


@pytest.fixture
def pulsing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pulsing:
    """Runs `pulsing WORDS` in this process, which is much faster than a process for each."""

    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pulsing", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return run


pytestmark = pytest.mark.shared_resources


@pytest.fixture
def headers(home: Path) -> dict[str, str]:
    token = (home / "xdg_config_home" / "pulsing" / "admin.token").read_text().strip()
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def described(node: Node, headers: dict[str, str]) -> dict[str, Any]:
    """The node's description of what it answers."""
    url = f"{node.said['admin']}/api/v1/openapi.json"
    answer: dict[str, Any] = httpx.get(url, headers=headers, timeout=LIMIT_S, trust_env=False).json()
    return answer


@pytest.mark.parametrize("what", LISTINGS)
def test_a_list_says_the_same_in_every_format(pulsing: Pulsing, what: str) -> None:
    def read(form: str) -> str:
        done = pulsing("list", what, "-o", form, "--limit", "5")
        assert (done.exit_code, done.err) == (0, "")
        return done.out

    rows = json.loads(read("json"))["items"]
    keys = {key for row in rows for key in row}

    assert {key for row in yaml.safe_load(read("yaml"))["items"] for key in row} == keys
    assert {key for line in read("jsonl").splitlines() for key in json.loads(line)} == keys
    assert len(list(csv.reader(read("csv").splitlines()))) == len(rows) + 1
    assert read("table").splitlines()[0].isupper()


@pytest.mark.parametrize("what", LISTINGS)
def test_json_is_what_the_node_says_that_it_answers(pulsing: Pulsing, described: dict[str, Any], what: str) -> None:
    content = described["paths"][f"/api/v1/{PATHS.get(what, what)}"]["get"]["responses"]["200"]["content"]
    schema = {**content["application/json"]["schema"], "components": described["components"]}

    jsonschema_rs.validator_for(schema).validate(json.loads(pulsing("list", what, "-o", "json").out))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status",), "cluster pulsing   1 node: 1 alive"),
        (("get", "actor", "w", "-o", "yaml"), "class: app.Worker"),
        (("get", "class", "app.Worker"), "app.Worker"),
        (("get", "queue", "jobs"), "jobs"),
        (("get", "topic", "news"), "news"),
        (("get", "check", "members"), "members"),
        (("summary", "actors", "--by", "class", "-o", "csv"), "app.Worker,1,"),
        (("top", "--once", "--interval", "0.1"), "actors/w"),
        (("top", "nodes", "--once", "--interval", "0.1"), "walked"),
        (("top", "queues", "--once", "--interval", "0.1"), "jobs"),
        (("check",), "event_loop_lag"),
        (("events",), "actor.spawned"),
        (("cluster", "info", "-o", "yaml"), "name: pulsing"),
        (("cluster", "members"), "walked"),
        (("cluster", "names"), "actors/w"),
        (("dead-letters", "ls"), "REASON"),
        (("metrics", "dump"), "pulsing_actors_spawned_total"),
        (("metrics", "detailed", "--family", "actor_mailbox"), 'actor="actors/w"'),
        (("dashboard", "--print"), "/ui/#login="),
        (("dashboard", "open", "--print"), "/ui/#login="),
        (("queue", "peek", "jobs", "-o", "yaml"), "bucket_id"),
        (("inspect", "cluster"), "Cluster Status: 1 total nodes (1 alive)"),
        (("inspect", "cluster", "--json"), '"items"'),
        (("inspect", "actors", "--detailed"), "actors/w  app.Worker  running"),
        (("inspect", "actors", "--all_actors", "--detailed"), "system/core"),
        (("inspect", "metrics", "--no-raw"), "pulsing_actors: "),
        (("inspect", "watch", "--max_rounds", "1"), "Watching all: "),
        (("queue", "info", "jobs"), "num_buckets"),
        (("queue", "readers", "jobs"), "READER"),
        (("topic", "info", "news"), "subscriber_rows"),
        (("call", "w", "add", "number=2"), "3"),
        (("call", "w", "add", "--arg", "0"), "3"),
        (("dead-letters", "replay", "--why", "stopped"), "0 replayed"),
        (("dead-letters", "clear"), "cleared"),
        (("restart", "w"), "w: restarted"),
        (("doctor",), "running nodes"),
    ],
)
def test_a_command_works_and_says_what_it_is_for(pulsing: Pulsing, words: tuple[str, ...], said: str) -> None:
    done = pulsing(*words)

    assert (done.exit_code, done.err) == (0, "")
    assert said in done.out


STANDS_FOR = {"ACTOR": "w", "QUEUE": "jobs", "TOPIC": "news"}
RUNBOOKS = Path(__file__).parents[2] / "docs/operations/runbooks.md"
STEPS = sorted(set(re.findall(r"^pulsing (.*)$", RUNBOOKS.read_text(), re.MULTILINE)))


@pytest.mark.parametrize("step", STEPS)
def test_a_step_of_a_runbook_works(pulsing: Pulsing, node: Node, step: str) -> None:
    words = [{**STANDS_FOR, "URL": node.said["admin"]}.get(word, word) for word in shlex.split(step)]
    if words[0] == "events" and "-f" in words:
        # It goes on until it is interrupted; what it follows is asked for all the same.
        words.remove("-f")
    done = pulsing(*words)

    assert (done.exit_code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("call", "ww", "add"), 3, "did you mean 'actors/w'?"),
        (("call", "w", "ad"), 3, "did you mean 'add'?"),
        (("call", "w", "add", "number=many"), 2, "number"),
        (("call", "w", "add", "nmber=1"), 2, "hint: the signature is (number)"),
        (("call", "w", "fail"), 1, "pulsing: PulsingBusinessError: "),
        (("call", "w", "add", "oops"), 2, "hint: a positional argument is --arg VALUE"),
        (("queue", "put", "jobs", "{oops"), 2, "argument 1 is no JSON"),
        (("get", "queue", "jbs"), 3, "jbs"),
        (("spawn", "app.Wroker"), 3, "did you mean 'app.Worker'?"),
        (("list", "actors", "-f", "sate=running"), 2, "sate"),
        (("check", "membrs"), 3, "did you mean members?"),
        (("status", "--endpoint", "http://127.0.0.1:1"), 1, "hint: start one with `pulsing serve`"),
        (("status", "--token-file", "/no/such/file"), 4, "cannot read the token"),
        (("metrics", "detailed", "--family", "nothing"), 2, "families: "),
    ],
)
def test_what_goes_wrong_is_a_line_a_hint_and_a_code(
    pulsing: Pulsing, words: tuple[str, ...], code: int, said: str
) -> None:
    done = pulsing(*words)

    assert (done.exit_code, done.out) == (code, "")
    assert said in done.err
    assert done.err.startswith("pulsing: ")
    assert len(done.err.splitlines()) <= 2


def test_a_wrong_token_is_not_allowed(pulsing: Pulsing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSING_ADMIN_TOKEN", "x" * 32)

    done = pulsing("status")

    assert done.exit_code == 4
    assert "hint: use --token-file FILE or PULSING_ADMIN_TOKEN" in done.err


def test_items_of_a_stream_are_shown_as_they_come() -> None:
    # The stream does not end within a minute: what is read here came before its end.
    with subprocess.Popen(
        [*COMMAND, "call", "w", "count", "to=3", "--timeout", "50"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["0\n", "1\n", "2\n"]
        process.kill()


def test_settings_of_file_and_flag_are_in_effect_and_say_so(node: Node, headers: dict[str, str]) -> None:
    url = f"{node.said['admin']}/api/v1/config?limit=1000"
    answer = httpx.get(url, headers=headers, timeout=LIMIT_S, trust_env=False).json()
    rows = {row["key"]: row for row in answer["items"]}

    assert (rows["node.name"]["value"], rows["node.name"]["source"]) == ("walked", "file")
    assert (rows["limits.actions_per_s"]["value"], rows["limits.actions_per_s"]["source"]) == (1000.0, "flag")
    assert rows["limits.streams"]["source"] == "default"


def test_a_watch_shows_it_again() -> None:
    with subprocess.Popen(
        [*COMMAND, "list", "nodes", "-w", "--interval", "0.1", "-o", "name"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(4)] == ["\n", "walked\n", "\n", "walked\n"]
        process.kill()
