"""Nodes started from a shell, and looked at and acted on from another."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.cli_node import LIMIT_S, Node, pulsing, running

MODULE = """
import pulsing as pul

@pul.remote
class Worker:
    def __init__(self, size: int = 1) -> None:
        self.size = size

    def add(self, number: int) -> int:
        self.size += number
        return self.size

    def lose(self) -> None:
        raise pul.PulsingSystemError("all is lost", recoverable=False)

    async def on_start(self, actor_id: object) -> None:
        if self.size < 0:
            raise ValueError("no size is below zero")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(MODULE)
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., Node]]:
    """Starts `pulsing WORDS`, and ends it after the test."""
    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(running(folder, words))


def test_an_actor_of_one_node_is_called_through_another(start: Callable[..., Node]) -> None:
    first = start("serve", "app")
    start("actor", "app.Worker", "--seeds", first.said["node"], "--name", "w", "--", "size=40")
    endpoint = ("--endpoint", first.said["admin"])

    assert pulsing("call", "w", "add", "number=2", *endpoint).stdout == "42\n"
    assert pulsing("list", "actors", "-o", "name", *endpoint).stdout == "actors/w\n"
    assert len(pulsing("list", "nodes", "-o", "name", *endpoint).stdout.splitlines()) == 2


def test_the_only_node_here_needs_no_name_and_a_class_of_its_module_can_be_spawned(start: Callable[..., Node]) -> None:
    start("serve", "app")

    assert pulsing("spawn", "app.Worker", "size=3", "--name", "w").returncode == 0
    assert pulsing("call", "w", "add", "number=2").stdout == "5\n"
    assert pulsing("tag", "w", "team=a").stdout == "team=a\n"
    assert pulsing("stop", "w", "--yes").stdout == "w: stopped\n"
    assert pulsing("call", "w", "add", "number=2").returncode == 3
    assert pulsing("status").stdout.startswith("cluster pulsing   1 node: 1 alive ")


def test_a_queue_is_filled_looked_into_and_emptied(start: Callable[..., Node]) -> None:
    start("serve")

    assert pulsing("queue", "create", "jobs", "--buckets", "2").returncode == 0
    assert pulsing("queue", "put", "jobs", '{"id": 1}', '{"id": 2}').stdout == "2 put\n"
    assert sorted(pulsing("queue", "peek", "jobs").stdout.splitlines()) == ['{"id": 1}', '{"id": 2}']
    assert pulsing("list", "queues", "-o", "csv", "--columns", "queue,records").stdout == "queue,records\njobs,2\n"
    assert pulsing("queue", "purge", "jobs", "--yes").stdout == "2 removed\n"
    assert pulsing("queue", "delete", "jobs", "--yes").returncode == 0
    assert pulsing("queue", "info", "jobs").returncode == 3


def test_a_topic_is_published_to(start: Callable[..., Node]) -> None:
    start("serve")

    assert pulsing("topic", "pub", "news", '"hello"').returncode == 3
    assert pulsing("topic", "pub", "news", '"hello"', "--create").stdout == "0 delivered, 0 failed\n"
    assert pulsing("topic", "ls", "-o", "name").stdout == "news\n"


def test_a_node_that_is_told_to_stop_ends_well_and_its_note_is_gone(start: Callable[..., Node]) -> None:
    node = start("serve")

    node.process.send_signal(signal.SIGTERM)

    assert node.process.wait(LIMIT_S) == 0
    assert "no node answers" in pulsing("status", "--endpoint", node.said["admin"]).stderr


def test_a_node_of_one_actor_ends_with_it_when_it_has_failed(
    start: Callable[..., Node], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    never = pulsing("actor", "app.Worker", "--name", "w", "--", "size=-1")
    later = start("actor", "app.Worker", "--name", "w")
    pulsing("call", "w", "lose", "--endpoint", later.said["admin"])

    assert never.returncode == 1
    assert "pulsing: the actor w has failed: [400] ValueError: no size is below zero" in never.stderr
    assert later.process.wait(LIMIT_S) == 1


def test_a_port_in_use_is_said_to_be_in_use(start: Callable[..., Node]) -> None:
    taken = start("serve").said["node"]

    outcome = pulsing("serve", "--addr", taken)

    assert outcome.returncode == 1
    assert outcome.stderr.startswith("pulsing: the node cannot start: ")
    assert taken in outcome.stderr


@pytest.mark.parametrize("words", [("--addr", "nonsense"), ("--addr", "127.0.0.1:0", "--seeds", "127.0.0.1")])
def test_an_address_that_is_none_is_a_mistake_of_usage(words: tuple[str, ...]) -> None:
    outcome = pulsing("serve", *words)

    assert outcome.returncode == 2
    assert outcome.stderr.startswith("pulsing: the node cannot start: invalid socket address syntax: ")
