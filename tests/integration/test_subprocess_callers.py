"""Who may start programs: plain scripts, threads, coroutines, actors, forked children; and where they find room."""

from __future__ import annotations

import asyncio
import os
import subprocess as standard
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
import pulsing.subprocess as subprocess
from pulsing.exceptions import PulsingRuntimeError
from pulsing.subprocess import places as placing
from pulsing.testing import wait_until
from tests.integration.subprocess_places import PYTHON, Places, two_nodes

NEEDS: dict[str, Any] = {"resources": {"num_cpus": 0}}


@pytest.fixture(autouse=True)
def through_actors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_POLSING_SUBPROCESS", "1")


@pytest.fixture
def nodes() -> Iterator[Places]:
    with two_nodes() as places:
        yield places


def script(program: str, **environment: str) -> str:
    """What a program prints that has a process of its own, and ends as it should."""
    done = standard.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_plain_script_needs_no_system_of_its_own() -> None:
    program = """
import pulsing as pul, pulsing.subprocess as subprocess
print(subprocess.run(["echo", "hello"], capture_output=True, text=True, resources={"num_cpus": 1}).stdout, end="")
process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, resources={"num_cpus": 1})
print(process._uses_pulsing, process._native, process.communicate(b"hi"), pul.is_initialized())
process.close()
"""
    assert script(program) == "hello\nTrue None (b'hi', None) False\n"


@pytest.mark.parametrize("environment", [{"USE_POLSING_SUBPROCESS": "0"}, {"USE_POLSING_SUBPROCESS": ""}])
def test_without_the_switch_it_is_the_standard_library(environment: dict[str, str]) -> None:
    program = """
import threading, pulsing.subprocess as subprocess
with subprocess.Popen(["true"], resources={"num_cpus": 1}, placement="remote", name="x") as process:
    print(process._uses_pulsing, type(process._native).__name__, process._proxy, process.wait())
process.close()
print(threading.active_count())
"""
    assert script(program, **environment) == "False Popen None 0\n1\n"


@pytest.mark.parametrize("word", ["1", "true", "YES", "on"])
@pytest.mark.parametrize("name", ["USE_POLSING_SUBPROCESS", "USE_PULSING_SUBPROCESS"])
def test_the_switch_goes_by_two_names(nodes: Places, monkeypatch: pytest.MonkeyPatch, name: str, word: str) -> None:
    monkeypatch.delenv("USE_POLSING_SUBPROCESS")
    monkeypatch.setenv(name, word)

    with subprocess.Popen(["true"], **nodes.keywords("here")) as process:
        assert process._uses_pulsing
        assert process.node_id == nodes.here.node_id
    with subprocess.Popen(["true"], **{**nodes.keywords("here"), "resources": {}}) as process:
        assert not process._uses_pulsing


def test_coroutines_may_block_their_own_loop_but_not_that_of_the_system() -> None:
    program = """
import asyncio, pulsing as pul, pulsing.subprocess as subprocess
needs = {"resources": {"num_cpus": 0}}
async def main():
    print(subprocess.call(["true"], **needs))
    async with await pul.actor_system() as system:
        try:
            subprocess.call(["true"], system=system, **needs)
        except RuntimeError as error:
            print(str(error)[:54])
        print(await asyncio.to_thread(subprocess.call, ["true"], system=system, **needs))
asyncio.run(main())
"""
    assert script(program) == "0\npulsing.subprocess cannot block on the same event loop\n0\n"


def test_a_forked_child_starts_programs_of_its_own() -> None:
    program = """
import os, warnings, pulsing.subprocess as subprocess
warnings.simplefilter("ignore", DeprecationWarning)
needs = {"resources": {"num_cpus": 0}}
subprocess.call(["true"], **needs)
if (child := os.fork()) == 0:
    os._exit(subprocess.call(["sh", "-c", "exit 7"], **needs))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), subprocess.call(["true"], **needs))
"""
    assert script(program) == "7 0\n"


def test_a_program_that_was_not_waited_for_ends_with_its_script() -> None:
    program = """
import pulsing.subprocess as subprocess
process = subprocess.Popen(["sleep", "300"], resources={"num_cpus": 0})
print(process.pid)
"""
    pid = int(script(program))
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pul.remote(threaded=True)
class Caller:
    def run(self) -> tuple[int, str]:
        with subprocess.Popen(["true"], **NEEDS) as process:
            return process.wait(30), str(process.node_id)


async def test_an_actor_with_a_thread_starts_programs_on_its_own_system() -> None:
    actor: Any = Caller
    async with await pul.actor_system() as system:
        caller = await actor.spawn(system=system)

        assert await caller.run() == (0, str(system.node_id))


def test_many_threads_start_programs_at_once(nodes: Places) -> None:
    outputs: list[bytes] = []
    keywords = nodes.keywords("elsewhere")

    def work(number: int) -> None:
        outputs.append(subprocess.run(["cat"], input=b"%d" % number, capture_output=True, **keywords).stdout)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(int, outputs)) == list(range(16))


# --- room ------------------------------------------------------------------------------------------------------------


def fill(node: pul.ActorSystem, capacity: float) -> None:
    """Let a node have so many processors."""
    from pulsing.subprocess.host import host_of
    from pulsing.subprocess.ledger import Ledger

    host_of(node)._ledger = Ledger({"num_cpus": capacity})


def test_a_program_goes_to_the_first_node_that_has_what_it_needs(nodes: Places) -> None:
    fill(nodes.here, 1)
    fill(nodes.elsewhere, 4)
    keywords: dict[str, Any] = {"stdin": subprocess.PIPE, "system": nodes.here}

    with subprocess.Popen(["cat"], resources={"num_cpus": 1}, **keywords) as first:
        assert first.node_id == nodes.here.node_id
        with subprocess.Popen(["cat"], resources={"num_cpus": 1}, **keywords) as second:
            assert second.node_id == nodes.elsewhere.node_id


def test_a_program_may_need_what_only_settings_know_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_POLSING_SUBPROCESS", "1")
    monkeypatch.setenv("PULSING_SUBPROCESS_RESOURCES", "licence=1")
    with two_nodes() as places:
        keywords: dict[str, Any] = {"stdin": subprocess.PIPE, "system": places.here}
        need = {"licence": 1}
        with (
            subprocess.Popen(["cat"], resources=need, **keywords) as first,
            subprocess.Popen(["cat"], resources=need, **keywords) as second,
        ):
            assert [first.node_id, second.node_id] == [places.here.node_id, places.elsewhere.node_id]
        with pytest.raises(PulsingRuntimeError, match="no node has what it needs: licence=2"):
            subprocess.Popen(["cat"], resources={"licence": 2}, **keywords)


def test_a_program_waits_for_room(nodes: Places) -> None:
    fill(nodes.here, 1)
    place = {**nodes.keywords("here"), "resources": {"num_cpus": 1}}
    first = subprocess.Popen(["sleep", "300"], **place)
    threading.Timer(0.3, first.close).start()

    assert subprocess.call(["true"], **place) == 0


def test_what_no_node_has_is_said_at_once(nodes: Places) -> None:
    with pytest.raises(PulsingRuntimeError, match=r"no node has what it needs: num_cpus=1e\+06"):
        subprocess.Popen(["true"], system=nodes.here, resources={"num_cpus": 1_000_000})


def test_room_is_not_waited_for_for_ever(nodes: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "PLACE_S", 0.3)
    fill(nodes.here, 1)
    place = {**nodes.keywords("here"), "resources": {"num_cpus": 1}}
    first = subprocess.Popen(["sleep", "300"], **place)
    try:
        with pytest.raises(PulsingRuntimeError, match="room"):
            subprocess.Popen(["true"], **place)
    finally:
        first.close()


def test_a_place_that_is_none_is_refused(nodes: Places) -> None:
    with pytest.raises(ValueError, match="Invalid placement 'moon'"):
        subprocess.Popen(["true"], system=nodes.here, placement="moon", **NEEDS)
    with pytest.raises(LookupError):
        subprocess.Popen(["true"], system=nodes.here, placement=77, **NEEDS)


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_a_program_comes_to_a_halt_while_nobody_reads(nodes: Places, tmp_path: Path) -> None:
    count = tmp_path / "count"
    program = (
        f"import os\nfor n in range(1, 201):\n os.write(1, b'x' * {1 << 20})\n open({str(count)!r}, 'w').write(str(n))"
    )
    with subprocess.Popen([PYTHON, "-c", program], stdout=subprocess.PIPE, **nodes.keywords("elsewhere")) as process:
        assert process.stdout is not None
        written = -1
        while written != (written := int(count.read_text() or "0") if count.exists() else 0) or not written:
            time.sleep(0.5)
        assert written < 32

        taken = 0
        while data := process.stdout.read(1 << 18):
            taken += len(data)
        assert taken == 200 << 20


async def test_no_actor_is_left_by_programs_that_have_ended() -> None:
    async with await pul.actor_system() as system:
        for _ in range(5):
            done = await asyncio.to_thread(
                subprocess.run, ["cat"], input=b"x", capture_output=True, system=system, **NEEDS
            )
            assert done.stdout == b"x"

        await wait_until(lambda: not processes(system), 30)


def processes(system: pul.ActorSystem) -> list[Any]:
    """The actors of processes on a node."""
    return [cell for cell in system.inner.registry if cell.spec.class_name.startswith("pulsing.subprocess.process")]
