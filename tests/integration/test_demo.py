"""The demo as a user runs it: processes, signals, and a node that dies half-way."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.cli_node import pulsing as in_a_shell
from tests.integration.demo_process import LIMIT_S, Demo

STOP_S = 5.0

pytestmark = pytest.mark.timeout(120)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def demo() -> Iterator[Callable[..., Demo]]:
    """Starts demos, and ends those that a test leaves."""
    with contextlib.ExitStack() as stack:

        def start(*words: str) -> Demo:
            return stack.enter_context(contextlib.closing(Demo(*words)))

        yield start


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Enough files for a node to die in the middle of them."""
    for number in range(1_500):
        (tmp_path / f"file_{number}.py").write_text(f"def function_{number}(argument):\n    return argument\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\0")
    return tmp_path


def row(output: str, name: str) -> str:
    """The value beside a name in the table of results."""
    found = re.search(rf"│ [a-z: ]*{name} +│ +(\S+) │", output)
    assert found is not None, output
    return found[1]


def progressed(line: str) -> bool:
    found = re.match(r"([\d,]+) of [\d,]+ files", line)
    return found is not None and int(found[1].replace(",", "")) >= 150


def test_once_shows_the_dashboard_first_and_the_results_last(demo: Callable[..., Demo], corpus: Path) -> None:
    run = demo(str(corpus), "--once")

    output = run.end()

    assert run.process.returncode == 0, output
    assert re.match(r"dashboard: http://127\.0\.0\.1:\d+/ui/#login=\S+$", output.splitlines()[0])
    assert (row(output, "files"), row(output, "definitions"), row(output, "binary")) == ("1,500", "1,500", "1")
    assert row(output, "argument") == "3,000"
    assert output.rstrip().endswith("┘"), "nothing is said to be lost at a good end"


@pytest.mark.parametrize("victim", [1, 2])
def test_a_node_killed_half_way_is_reported_and_nothing_is_lost(
    demo: Callable[..., Demo], corpus: Path, victim: int
) -> None:
    run = demo(str(corpus), "--once")
    run.wait_for_line(progressed)
    os.kill(run.node(victim), signal.SIGKILL)

    output = run.end()

    assert run.process.returncode == 0, output
    assert f"node {victim} died (killed by SIGKILL)" in output
    assert (row(output, "files"), row(output, "definitions")) == ("1,500", "1,500")


def test_an_interrupt_stops_every_process_in_time(demo: Callable[..., Demo], corpus: Path) -> None:
    run = demo(str(corpus))
    run.wait_for_line(lambda line: "node 2 has joined" in line)
    nodes = run.nodes()

    run.process.send_signal(signal.SIGINT)
    output = run.end(within=STOP_S)

    assert run.process.returncode == 0, output
    assert not any(lives(pid) for pid in nodes)


def test_nodes_do_not_outlive_a_supervisor_that_was_killed(demo: Callable[..., Demo], corpus: Path) -> None:
    run = demo(str(corpus))
    run.wait_for_line(lambda line: "node 2 has joined" in line)
    nodes = run.nodes()

    run.process.kill()

    deadline = time.monotonic() + LIMIT_S
    while any(lives(pid) for pid in nodes) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(lives(pid) for pid in nodes)


def test_what_the_documentation_says_to_try_works(demo: Callable[..., Demo], corpus: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/index.md").read_text()
    (written,) = re.findall(r"^\.venv/bin/pulsing (call .*)$", page, re.MULTILINE)
    run = demo(str(corpus))
    link = run.wait_for_line(lambda line: line.startswith("dashboard: ")).removeprefix("dashboard: ")
    run.wait_for_line(progressed)

    words = written.replace("http://127.0.0.1:8700", link.partition("/ui/")[0]).split()
    done = in_a_shell(*words)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["files"] > 0
    run.process.send_signal(signal.SIGINT)
    run.end(within=STOP_S)


def test_a_second_demo_runs_beside_the_first(demo: Callable[..., Demo], corpus: Path) -> None:
    first, second = demo(str(corpus)), demo(str(corpus))
    urls = [run.wait_for_line(lambda line: line.startswith("dashboard: ")) for run in (first, second)]

    assert urls[0] != urls[1]
    for run in (first, second):
        run.process.send_signal(signal.SIGINT)
        run.end(within=STOP_S)
        assert run.process.returncode == 0
