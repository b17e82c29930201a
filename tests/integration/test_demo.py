"""The demo as a user runs it: processes, signals, and a node that dies half-way."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LIMIT_S = 50.0
STOP_S = 5.0

pytestmark = pytest.mark.timeout(120)


class Demo:
    """A running `pulsing demo`, whose output is read as it comes."""

    def __init__(self, *words: str) -> None:
        self.lines: list[str] = []
        self._arrived: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from pulsing.cli import main; main()", "demo", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for_line(self, wanted: Callable[[str], object]) -> str:
        """The next line that is wanted."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            line = self._arrived.get(timeout=max(0.0, deadline - time.monotonic()))
            assert line is not None, "the demo ended:\n" + "".join(self.lines)
            if wanted(line):
                return line

    def end(self, within: float = LIMIT_S) -> str:
        """Wait for the end and return everything that was printed."""
        self.process.wait(within)
        self._reader.join()
        return "".join(self.lines)

    def node(self, number: int) -> int:
        """The process id of a node."""
        return next(pid for pid in self.nodes() if _plan(pid).get("number") == number)

    def nodes(self) -> list[int]:
        """The process ids of the nodes that live."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in children]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._arrived.put(line)
        self._arrived.put(None)


def _plan(pid: int) -> dict[str, object]:
    with contextlib.suppress(OSError, ValueError):
        plan: dict[str, object] = json.loads(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[-2])
        return plan
    return {}


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


def test_a_second_demo_runs_beside_the_first(demo: Callable[..., Demo], corpus: Path) -> None:
    first, second = demo(str(corpus)), demo(str(corpus))
    urls = [run.wait_for_line(lambda line: line.startswith("dashboard: ")) for run in (first, second)]

    assert urls[0] != urls[1]
    for run in (first, second):
        run.process.send_signal(signal.SIGINT)
        run.end(within=STOP_S)
        assert run.process.returncode == 0
