"""No program is left behind by anybody's sudden end: the caller's, the node's, or that of what watches over both."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
import pulsing.subprocess as sub
from tests.integration.subprocess_node import SLEEPER
from tests.integration.subprocess_places import Places, two_nodes

NODE = Path(__file__).with_name("subprocess_node.py")


@pytest.fixture(autouse=True)
def through_actors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_POLSING_SUBPROCESS", "1")


def is_running(pid: int) -> bool:
    """Whether a process is there that is more than a row in the table."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)


@contextmanager
def node(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of `subprocess_node.py`, and the first line that it prints."""
    with subprocess.Popen([sys.executable, str(NODE), *words], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline()
        finally:
            process.kill()


@pytest.fixture
def nodes() -> Iterator[Places]:
    with two_nodes() as places:
        yield places


def numbers(line: str) -> list[int]:
    pids = [int(word) for word in line.split()]
    assert len(pids) == 2
    assert all(is_running(pid) for pid in pids)
    return pids


def test_programs_end_when_their_node_is_killed_and_callers_are_told(nodes: Places) -> None:
    with node("serve") as (host, addr):
        target = nodes.do(_joined(nodes.here, addr.strip()))
        process = sub.Popen(
            SLEEPER, stdout=sub.PIPE, text=True, system=nodes.here, placement=target, resources={"num_cpus": 0}
        )
        assert process.stdout is not None
        pids = numbers(process.stdout.readline())
        assert process.pid == pids[0]

        host.send_signal(signal.SIGKILL)

        with pytest.raises(ConnectionError):
            process.wait(30)
        with pytest.raises(ConnectionError):
            process.poll()
        process.close()
        wait_for(lambda: not any(map(is_running, pids)))


async def _joined(system: Any, addr: str) -> pul.NodeId:
    await system.inner.join_through([addr], 30.0)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for member in system.inner.members_view():
            if member.addr == addr and member.status == "Alive":
                found: pul.NodeId = member.node_id
                return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"{addr} did not join")


def test_programs_end_when_their_caller_is_killed(nodes: Places) -> None:
    with node("call", nodes.elsewhere.addr) as (caller, line):
        pids = numbers(line)

        caller.send_signal(signal.SIGKILL)

        wait_for(lambda: not any(map(is_running, pids)))


def test_a_detached_program_goes_on_without_its_caller_until_its_end_or_that_of_its_node(nodes: Places) -> None:
    with node("detach", nodes.elsewhere.addr) as (caller, line):
        pids = numbers(line)
        caller.send_signal(signal.SIGKILL)
    wait_for(lambda: [one["status"] for one in nodes.do(nodes.elsewhere.members())].count("Alive") == 2)

    assert all(map(is_running, pids))
    os.kill(pids[1], signal.SIGKILL)  # what it waits for; then it ends by itself
    wait_for(lambda: not any(map(is_running, pids)))
    wait_for(lambda: process_actors(nodes.elsewhere) == 0)


def test_a_detached_program_may_be_let_go_of_and_goes_on_to_write(nodes: Places, tmp_path: Path) -> None:
    go, done = tmp_path / "go", tmp_path / "done"
    script = f"echo 1; while [ ! -e {go} ]; do sleep 0.02; done; head -c 3000000 /dev/zero; touch {done}"
    process = sub.Popen(["sh", "-c", script], stdout=sub.PIPE, detach=True, **nodes.keywords("elsewhere"))
    assert process.stdout is not None
    assert process.stdout.readline() == b"1\n"
    process.close()
    go.touch()

    wait_for(done.exists)
    wait_for(lambda: process_actors(nodes.elsewhere) == 0)


def process_actors(system: pul.ActorSystem) -> int:
    """How many programs a node still keeps."""
    from pulsing.subprocess.host import host_of

    return len(host_of(system).guard._groups)


def test_programs_of_a_program_without_a_cluster_end_when_it_is_killed() -> None:
    with node("own") as (caller, line):
        pids = numbers(line)

        caller.send_signal(signal.SIGKILL)

        wait_for(lambda: not any(map(is_running, pids)))


@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_a_timeout_ends_the_whole_group(nodes: Places, place: str) -> None:
    with pytest.raises(sub.TimeoutExpired) as raised:
        sub.run(SLEEPER, capture_output=True, timeout=2, **nodes.keywords(place))

    assert raised.value.output is not None
    pids = [int(word) for word in raised.value.output.split()]
    assert len(pids) == 2
    wait_for(lambda: not any(map(is_running, pids)))


@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_what_a_program_leaves_behind_ends_when_it_is_closed(nodes: Places, place: str) -> None:
    done = sub.run(
        ["sh", "-c", "sleep 300 >/dev/null 2>&1 & echo $!"], capture_output=True, timeout=30, **nodes.keywords(place)
    )

    wait_for(lambda: not is_running(int(done.stdout)))


@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_a_program_ends_when_nobody_holds_it_any_longer(nodes: Places, place: str) -> None:
    process = sub.Popen(["sleep", "300"], stdout=sub.PIPE, stderr=sub.DEVNULL, **nodes.keywords(place))
    pid = process.pid
    assert is_running(pid)

    del process

    wait_for(lambda: not is_running(pid))


def test_programs_end_when_their_node_is_shut_down(nodes: Places) -> None:
    process = sub.Popen(["sleep", "300"], **nodes.keywords("elsewhere"))

    nodes.do(nodes.elsewhere.shutdown(drain=0))

    assert process.wait(30) == -signal.SIGKILL
    process.close()


def test_another_guard_takes_the_place_of_one_that_was_killed(nodes: Places) -> None:
    from pulsing.subprocess.host import host_of

    first = sub.Popen(["sleep", "300"], **nodes.keywords("here"))
    guard = host_of(nodes.here).guard
    killed = guard._process
    assert killed is not None
    os.kill(killed.pid, signal.SIGKILL)
    wait_for(lambda: not is_running(killed.pid))

    second = sub.Popen(["sleep", "300"], **nodes.keywords("here"))

    assert guard._process is not None
    wait_for(lambda: guard._process is not killed)
    # Its end is that of the groups it knows; ours would be the same to it.
    guard.close()
    wait_for(lambda: not is_running(first.pid) and not is_running(second.pid))
    first.close()
    second.close()
