"""Actors in processes of their own: real interpreters, real links, real ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import pulsing as pul
import pulsing.placement.launchers as launchers
import pulsing.placement.outpost as outpost
from pulsing.exceptions import ActorStopped, DeadlineExceeded, LinkLost, NameTaken, NotSendable
from pulsing.placement.launcher import Launch
from pulsing.placement.local import LocalLauncher, LocalProcess
from pulsing.testing import wait_until
from tests.integration.placed import Clerk, Echo, NeverReady, Point, Worker
from tests.unit.transport.site import Site

ROOT = Path(__file__).parents[2]
LIMIT_S = 30.0


@asynccontextmanager
async def system(**options: Any) -> AsyncIterator[pul.ActorSystem]:
    made = await pul.init(**options)
    try:
        yield made
    finally:
        await pul.shutdown()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def seen_by_others(pid: int) -> bytes:
    """The command line and the environment of a process."""
    return b"".join(Path(f"/proc/{pid}/{what}").read_bytes() for what in ("cmdline", "environ"))


def words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def process_of(made: pul.ActorSystem, worker: Any) -> dict[str, Any]:
    cell = made.inner.registry.by_id(worker.ref.actor_id)
    assert cell is not None
    return dict(cell.process or {})


async def test_an_actor_in_a_process_of_its_own_behaves_as_any_other() -> None:
    async with system():
        worker = await Worker.spawn(5, name="worker", placement="process")

        assert await worker.pid() != os.getpid()
        assert [await worker.add(1), await worker.add_later(2)] == [6, 8]
        assert await worker.moved(Point(1, 2)) == Point(2, 2)
        assert [item async for item in worker.count_to(100)] == list(range(100))
        assert [item async for item in worker.squares(4)] == [0, 1, 4, 9]
        assert await worker.as_any().total == 8
        with pytest.raises(KeyError) as raised:
            await worker.missing()
        assert "in missing" in raised.value.remote_traceback  # type: ignore[attr-defined]
        with pytest.raises(NotSendable):
            await worker.unsendable()
        with pytest.raises(NotSendable):
            await worker.moved(object())
        assert await (await pul.resolve("worker")).as_any().add(1) == 9


async def test_it_goes_by_one_id_and_one_name_on_both_sides() -> None:
    async with system():
        worker = await Worker.spawn(name="worker", placement="process")

        assert await worker.who_am_i() == (worker.ref.actor_id, "actors/worker", worker.ref)
        with pytest.raises(NameTaken):
            await Worker.spawn(name="worker", placement="process")


async def test_calls_that_are_issued_at_once_arrive_in_order() -> None:
    async with system():
        worker = await Worker.spawn(placement="process")

        assert await asyncio.gather(*(worker.add(1) for _ in range(5_000))) == list(range(1, 5_001))
        await worker.with_options(one_way=True).add(1)
        assert await worker.add(1) == 5_002


async def test_an_actor_that_takes_all_by_receive_may_be_placed_so() -> None:
    async with system():
        echo = await Echo.spawn(placement="process")

        assert await echo.ref.ask({"to": ["all", 1]}) == {"to": ["all", 1]}


async def test_a_method_that_holds_its_process_does_not_hold_this_one() -> None:
    async with system():
        worker = await Worker.spawn(placement="process")
        held = asyncio.ensure_future(worker.hold(1.5))
        turns = 0
        while not held.done():
            await asyncio.sleep(0.01)
            turns += 1

        assert await held == "done"
        assert turns > 10


async def test_deadlines_and_cancelled_calls_reach_the_process(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    async with system():
        placed = Worker.with_options(cancellable=True)
        worker = await placed.spawn(marks=str(marks), placement="process")
        with pytest.raises(DeadlineExceeded):
            await worker.with_options(timeout=0.2).wait()
        await wait_until(lambda: words(marks).count("waited") == 1, timeout=LIMIT_S)
        call = asyncio.create_task(worker.wait())
        await worker.add(1)
        call.cancel()
        await wait_until(lambda: words(marks).count("waited") == 2, timeout=LIMIT_S)
        async for _ in worker.count_to(1_000_000):
            break
        await wait_until(lambda: "closed" in words(marks), timeout=LIMIT_S)


async def test_the_process_calls_actors_at_home_and_reads_their_queues() -> None:
    async with system():
        await Worker.spawn(10, name="at_home")
        writer = await pul.queue.write("jobs", bucket_column="n")
        await writer.put([{"n": 1}, {"n": 2}])
        worker = await Worker.spawn(placement="process")

        assert await worker.ask_other("at_home") == 11
        assert sorted(record["n"] for record in await worker.read("jobs", 2)) == [1, 2]


async def test_a_crash_fails_what_runs_and_restarts_the_actor_under_its_id_and_name() -> None:
    async with system() as made:
        placed = Worker.with_options(restart_policy="on-failure", min_backoff=0.01)
        worker = await placed.spawn(7, name="worker", placement="process")
        first = await worker.pid()
        running = asyncio.create_task(worker.wait())
        assert await worker.add(1) == 8
        await asyncio.sleep(0)
        with pytest.raises(LinkLost) as lost:
            await worker.die()
        assert lost.value.maybe_executed
        with pytest.raises(LinkLost):
            await running

        # What is sent now waits for the next process.
        assert await worker.add(1) == 8
        assert await worker.pid() != first
        assert await (await pul.resolve("worker")).as_any().who_am_i() == await worker.who_am_i()
        assert not is_running(first)
        cell = made.inner.registry.by_id(worker.ref.actor_id)
        assert cell is not None and cell.restarts == 1


async def test_what_never_left_for_a_process_that_died_goes_before_what_came_later() -> None:
    async with system() as made:
        worker = await Worker.with_options(restart_policy="on-failure").spawn(placement="process")
        pid = await worker.pid()
        os.kill(pid, signal.SIGSTOP)
        earlier = [asyncio.ensure_future(worker.add(1)) for _ in range(1_500)]
        await asyncio.sleep(0)
        peer = made.inner.registry.by_id(worker.ref.actor_id)._peer  # type: ignore[union-attr]
        await wait_until(lambda: peer.waiting)
        peer.link.connection.abort()
        await wait_until(lambda: peer.link is None)
        later = [asyncio.ensure_future(worker.add(1)) for _ in range(10)]
        await asyncio.sleep(0)
        os.kill(pid, signal.SIGKILL)
        outcomes = await asyncio.gather(*earlier, return_exceptions=True)
        totals = [one for one in outcomes if isinstance(one, int)] + await asyncio.gather(*later)

        assert len(totals) > 10
        assert totals == list(range(1, len(totals) + 1))


async def test_a_crash_without_a_restart_ends_the_actor_and_tells_who_watches() -> None:
    async with system():
        worker = await Worker.spawn(name="worker", placement="process")
        end = worker.ref.watch()
        with pytest.raises(LinkLost):
            await worker.exit()

        terminated = await end
        assert terminated.reason == "failed"
        assert "exit code 3" in str(terminated.error)
        with pytest.raises(ActorStopped):
            await worker.add(1)
        assert await Worker.spawn(name="worker") is not None


async def test_restarts_are_limited_by_the_budget() -> None:
    async with system():
        placed = Worker.with_options(restart_policy="always", max_restarts=1, min_backoff=0.01)
        worker = await placed.spawn(placement="process")
        end = worker.ref.watch()
        for _ in range(2):
            with pytest.raises(LinkLost):
                await worker.die()

        assert (await end).reason == "restart_limit"


async def test_an_actor_that_gives_itself_up_is_restarted_in_another_process() -> None:
    async with system():
        worker = await Worker.with_options(restart_policy="on-failure", min_backoff=0.01).spawn(placement="process")
        first = await worker.pid()
        await worker.add(5)
        with pytest.raises(pul.PulsingSystemError, match="state is broken"):
            await worker.give_up()

        assert await worker.add(1) == 1
        assert await worker.pid() != first


async def test_an_actor_that_ends_itself_takes_its_process_along() -> None:
    async with system():
        worker = await Worker.spawn(placement="process")
        pid, end = await worker.pid(), worker.ref.watch()

        assert await worker.end() == "ending"
        assert (await end).reason == "stopped"
        assert not is_running(pid)


async def test_stop_lets_the_running_message_finish_and_ends_the_process(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    async with system() as made:
        worker = await Worker.spawn(name="worker", marks=str(marks), placement="process")
        pid, running = await worker.pid(), asyncio.create_task(worker.hold(0.5))
        await asyncio.sleep(0)

        assert await made.stop("worker")
        assert await running == "done"
        assert not is_running(pid)
        assert words(marks) == ["made", "stopped"]


async def test_stop_at_once_ends_a_process_that_does_not_listen() -> None:
    async with system() as made:
        worker = await Worker.spawn(placement="process")
        pid, running = await worker.pid(), asyncio.create_task(worker.hold(3600))
        await asyncio.sleep(0.05)

        assert await made.stop(worker, timeout=0)
        with pytest.raises((LinkLost, ActorStopped)):
            await running
        await wait_until(lambda: not is_running(pid), timeout=LIMIT_S)


async def test_shutdown_ends_every_process() -> None:
    async with system():
        workers = await asyncio.gather(*(Worker.spawn(placement="process") for _ in range(3)))
        pids = [await worker.pid() for worker in workers]
        stuck = asyncio.create_task(workers[0].hold(3600))
        await asyncio.sleep(0.05)
        await pul.get_system().shutdown(drain=0.1)
        with pytest.raises(pul.PulsingError):
            await stuck

    assert [is_running(pid) for pid in pids] == [False] * 3


@pytest.mark.parametrize("stuck", [False, True], ids=["idle", "busy"])
def test_no_process_outlives_a_parent_that_is_killed(stuck: bool) -> None:
    program = f"""
import asyncio
import pulsing as pul
from tests.integration.placed import Worker

async def main():
    await pul.init()
    worker = await Worker.spawn(placement="process")
    print(await worker.pid(), flush=True)
    call = asyncio.create_task(worker.hold(3600)) if {stuck} else None
    await asyncio.Event().wait()

asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent:
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)

    asyncio.run(wait_until(lambda: not is_running(child), timeout=LIMIT_S))


@pytest.mark.parametrize(
    "options",
    [{}, {"addr": "127.0.0.1:0"}, {"passphrase": "six words are better than one"}, {"insecure": True}],
    ids=["no address", "token", "passphrase", "insecure"],
)
async def test_it_works_with_every_kind_of_credentials(options: dict[str, Any]) -> None:
    addr = options.pop("addr", "127.0.0.1:0" if options else None)
    async with system(addr=addr, admin=False, **options) as made:
        worker = await Worker.spawn(1, placement="process")

        assert await worker.add(1) == 2
        members = await made.members()
        assert [member["status"] for member in members] == ["Alive", "Alive"]


async def test_it_works_with_the_certificates_of_a_site(tmp_path: Path) -> None:
    tls = Site(tmp_path).issue("127.0.0.1")
    async with system(addr="127.0.0.1:0", admin=False, tls=tls):
        worker = await Worker.spawn(1, placement="process")

        assert await worker.add(1) == 2


async def test_no_secret_shows_in_the_process_table() -> None:
    async with system(addr="127.0.0.1:0", admin=False, passphrase="correct horse battery staple") as made:
        worker = await Worker.spawn(placement="process")
        pid = await worker.pid()
        shown = seen_by_others(pid)

        assert b"horse" not in shown
        for root in await made.inner.credentials.roots():
            assert root.reveal() not in shown and root.reveal().hex().encode() not in shown


async def test_the_process_is_a_member_on_which_nothing_else_is_placed() -> None:
    async with system() as made:
        worker = await Worker.spawn(name="worker", placement="process")
        other = await Worker.spawn(placement="remote")

        assert await other.pid() == os.getpid()
        node = process_of(made, worker)["node"]
        views = {str(view.node_id): view.takes_work for view in made.inner.members_view()}
        assert views == {str(made.inner.node_id): True, node: False}
        there = await pul.core.get_system_actor(made, pul.NodeId.from_str(node))
        assert (await there.health_check())["status"] == "healthy"
        assert await there.inspect("actor", {"actor": "worker"}) is None


async def test_listings_show_where_the_actor_is() -> None:
    async with system() as made:
        worker = await Worker.spawn(3, name="worker", placement="process")
        await worker.add(1)
        rows = {row["name"]: row for row in await made.inspect("actors")}

        row = rows["actors/worker"]
        assert (row["kind"], row["messages_total"]) == ("process", 1)
        assert row["process"]["placement"] == "process"
        assert row["process"]["pid"] == await worker.pid()
        said = await made.inspect("metadata", {"actor": "worker"})
        assert said["metadata"] == {"total": "4"}


async def test_an_agent_keeps_its_card() -> None:
    async with system() as made:
        clerk = await Clerk.spawn(name="clerk", placement="process")

        assert await clerk.pid() != os.getpid()
        (row,) = await made.inspect("agents")
        assert row["role"] == "counter"


async def test_a_constructor_that_raises_is_told_to_the_spawner() -> None:
    async with system() as made:
        with pytest.raises(ValueError, match="no thanks"):
            await Worker.with_options(restart_policy="always").spawn(refuse="no thanks", name="w", placement="process")

        assert await made.inspect("actors") == []
        await wait_until(lambda: len(made.inner.members_view()) == 1, timeout=LIMIT_S)


async def test_what_cannot_be_sent_is_refused_before_a_process_starts() -> None:
    async with system() as made:
        with pytest.raises(NotSendable):
            await Worker.spawn(object(), placement="process")

        assert made.inner.addr == ""


async def test_a_class_that_no_other_process_can_find_is_refused() -> None:
    class Hidden:
        pass

    async with system():
        with pytest.raises(pul.PulsingRuntimeError, match="inside a function"):
            await pul.remote(Hidden).spawn(placement="process")


async def test_a_process_that_is_not_ready_in_time_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outpost, "START_TIMEOUT_S", 3.0)
    async with system() as made:
        with pytest.raises(pul.PulsingRuntimeError, match="not ready within 3 s"):
            await NeverReady.spawn(placement="process")
        assert await made.inspect("actors") == []


async def test_a_process_that_dies_at_its_start_is_told_to_the_spawner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with system():
        with pytest.raises(pul.PulsingRuntimeError, match="ended with exit code 1 before it was ready"):
            await Worker.spawn(placement="process")


async def test_ray_says_what_it_needs() -> None:
    async with system():
        with pytest.raises(pul.PulsingRuntimeError, match=r"pulsing\[ray\]"):
            await Worker.spawn(placement="ray")


async def test_a_spawn_that_is_called_off_leaves_nothing() -> None:
    async with system() as made:
        spawning = asyncio.create_task(Worker.spawn(name="worker", placement="process"))
        await wait_until(lambda: bool(made.inner.registry.by_path("actors/worker")), timeout=LIMIT_S)
        spawning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await spawning
        await wait_until(lambda: made.inner.registry.by_path("actors/worker") is None, timeout=LIMIT_S)


def run_script(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    script = folder / "script.py"
    script.write_text(text)
    return subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, timeout=50)


SCRIPT = """
import asyncio
from dataclasses import dataclass
import pulsing as pul

@dataclass
class Size:
    n: int

@pul.remote
class Doubler:
    def double(self, size: Size) -> Size:
        return Size(size.n * 2)

async def main():
    await pul.init()
    doubler = await Doubler.spawn(placement="process")
    print(await doubler.double(Size(21)))
    await pul.shutdown()

"""


def test_a_class_of_the_script_itself_is_found_with_the_types_beside_it(tmp_path: Path) -> None:
    done = run_script(tmp_path, SCRIPT + 'if __name__ == "__main__":\n    asyncio.run(main())\n')

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "Size(n=42)\n")


def test_a_script_without_a_guarded_main_part_is_told_to_have_one(tmp_path: Path) -> None:
    done = run_script(tmp_path, SCRIPT + "asyncio.run(main())\n")

    assert done.returncode == 1
    assert 'its main part belongs under `if __name__ == "__main__":`' in done.stderr


class Lab(LocalLauncher):
    """An engine that takes note of what it is asked for."""

    def __init__(self) -> None:
        self.wanted: list[Launch] = []

    async def launch(self, wanted: Launch) -> LocalProcess:
        self.wanted.append(wanted)
        return await super().launch(wanted)


async def test_another_engine_launches_the_processes_and_all_else_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab()
    monkeypatch.setitem(launchers._launchers, "ray", lab)
    async with system() as made:
        needy = Worker.with_options(resources={"num_gpus": 1}, restart_policy="on-failure", min_backoff=0.01)
        worker = await needy.spawn(3, name="worker", placement="ray")
        beside = await Worker.spawn(placement="process")
        with pytest.raises(LinkLost):
            await worker.die()

        assert await worker.add(1) == 4
        assert await beside.add(1) == 1
        assert [wanted.resources for wanted in lab.wanted] == [{"num_gpus": 1}] * 2
        assert process_of(made, worker)["placement"] == "ray"


async def test_callers_on_other_nodes_reach_it_through_its_home() -> None:
    async with system(addr="127.0.0.1:0", admin=False) as home:
        worker = await Worker.spawn(name="worker", placement="process")
        async with await pul.actor_system("127.0.0.1:0", seeds=[home.addr], admin=False) as elsewhere:
            there = await Worker.resolve("worker", system=elsewhere, timeout=LIMIT_S)
            end = there.ref.watch()

            assert there.ref == worker.ref
            assert await there.pid() != os.getpid()
            assert await asyncio.gather(*(there.add(1) for _ in range(500))) == list(range(1, 501))
            assert [item async for item in there.count_to(300)] == list(range(300))
            with pytest.raises(KeyError):
                await there.missing()
            assert await elsewhere.stop(there)
            assert (await end).reason == "stopped"


async def test_many_at_once_are_started_a_few_at_a_time() -> None:
    async with system() as made:
        workers = await asyncio.gather(*(Worker.spawn(n, placement="process") for n in range(5)))

        assert await asyncio.gather(*(worker.add(0) for worker in workers)) == list(range(5))
        assert len({process_of(made, worker)["pid"] for worker in workers}) == 5


async def test_no_call_hangs_over_deaths_under_load() -> None:
    async with system():
        placed = Worker.with_options(restart_policy="always", max_restarts=100, min_backoff=0.001, max_backoff=0.01)
        worker = await placed.spawn(placement="process")
        for _ in range(3):
            calls = [asyncio.ensure_future(worker.add_later(1)) for _ in range(200)]
            await worker.add(1)
            os.kill(await worker.pid(), signal.SIGKILL)
            calls += [asyncio.ensure_future(worker.add_later(1)) for _ in range(200)]
            done, pending = await asyncio.wait(calls, timeout=LIMIT_S)

            assert not pending
            assert {type(call.exception()) for call in done} <= {type(None), LinkLost}
        assert isinstance(await worker.add(1), int)


async def test_an_operator_may_restart_it() -> None:
    async with system() as made:
        worker = await Worker.spawn(5, name="worker", placement="process")
        first = await worker.pid()
        await worker.add(1)
        cell = made.inner.registry.by_path("actors/worker")
        assert cell is not None
        cell.restart_by_operator()

        assert await worker.add(1) == 6
        assert await worker.pid() != first


def test_ctrl_c_ends_a_program_and_its_processes_without_a_word_of_theirs() -> None:
    program = """
import asyncio
import pulsing as pul
from tests.integration.placed import Worker

async def main():
    await pul.init()
    workers = [await Worker.spawn(placement="process") for _ in range(2)]
    print(*[await worker.pid() for worker in workers], flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await pul.shutdown()

try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    os.killpg(parent.pid, signal.SIGINT)
    _, said = parent.communicate(timeout=LIMIT_S)

    assert said == ""
    assert [is_running(pid) for pid in pids] == [False, False]


async def test_what_lies_in_the_working_directory_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("signal", "asyncio", "struct", "pulsing", "msgpack", "logging"):
        (tmp_path / f"{module}.py").write_text("from pathlib import Path; Path('run').touch(); raise SystemExit(1)")
    monkeypatch.chdir(tmp_path)
    async with system():
        worker = await Worker.spawn(placement="process")
        assert await worker.pid() != os.getpid()
    assert not (tmp_path / "run").exists()
