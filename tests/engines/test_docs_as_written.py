"""The blocks of the pages about other engines run as they are written, between a few lines that use them."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pulsing.testing import wait_until
from tests.engines.ray_cluster import ROOT, RayCluster

pytestmark = [pytest.mark.shared_resources, pytest.mark.timeout(200)]
LIMIT_S = 120
_FRAGMENT = re.compile(r"^```py\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[str]:
    """The blocks of a page that are code."""
    return _FRAGMENT.findall((ROOT / "docs/how-to" / page).read_text())


def run(folder: Path, before: str, block: str, after: str, environment: Mapping[str, str] = os.environ) -> str:
    """What a program prints that consists of these and must end well."""
    program = folder / "written.py"
    program.write_text(f"{before}\n{block}\n{after}")
    command = [sys.executable, "-m", "tests.engines.as_written", str(program)]
    return output_of(command, {**environment, "PYTHONPATH": str(ROOT)}, folder)


def output_of(command: list[str], environment: Mapping[str, str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


AFTER_JOINING = """
ray.init(log_to_driver=False)
counter, caller = Counter.options(num_cpus=0).remote("counter"), Caller.options(num_cpus=0).remote()
print("counted", ray.get(counter.incr.remote()), ray.get(caller.call.remote("counter")))
"""


def test_actors_of_ray_join_and_call_each_other(ray: RayCluster, tmp_path: Path) -> None:
    joining, _ = blocks("ray.md")
    assert "counted 1 6" in run(tmp_path, "", joining, AFTER_JOINING, ray.environment)


BEFORE_PLACING = """
import pulsing as pul
import ray
from tests.integration.placed import Worker as Solver

ray.init(log_to_driver=False)
await pul.init_inside_ray()
"""
AFTER_PLACING = """
print("solved", await solver.add(7))
await pul.shutdown()
"""


def test_ray_places_an_actor(ray: RayCluster, tmp_path: Path) -> None:
    _, placing = blocks("ray.md")
    assert "solved 7" in run(tmp_path, BEFORE_PLACING, placing, AFTER_PLACING, ray.environment)


BEFORE_MEETING = """
class Trainer:
    def step(self, number):
        return number + 1
"""
MEETING = """
import pulsing as pul
from pulsing.core.helpers import run_sync


async def step_of(rank):
    trainer = await pul.resolve(f"trainer-{rank}", timeout=30)
    return await trainer.as_any().step(rank)


print("stepped", run_sync(step_of(1 - dist.get_rank())), flush=True)
dist.barrier()
run_sync(pul.shutdown())
dist.destroy_process_group()
"""
ONE_DIES_FIRST = """
import os

import pulsing as pul

pul.init_inside_torchrun()
pul.mount(Trainer(), name=f"trainer-{dist.get_rank()}")
dist.barrier()
if dist.get_rank() == 0 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    os._exit(1)
dist.barrier()
"""


def run_ranks(folder: Path, text: str, *options: str) -> str:
    """What two ranks print of a program."""
    program = folder / "written.py"
    program.write_text(text)
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d"),
        *("--rdzv-endpoint=127.0.0.1:0", f"--rdzv-id={folder.name}", *options, str(program)),
    ]
    return output_of(command, {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}, folder)


def test_ranks_of_torchrun_call_each_other(tmp_path: Path) -> None:
    meeting, _ = blocks("torchrun.md")
    told = run_ranks(tmp_path, BEFORE_MEETING + meeting + MEETING)
    assert sorted(line for line in told.splitlines() if line.startswith("stepped")) == ["stepped 1", "stepped 2"]


def test_a_group_with_a_store_for_each_life_survives_a_restart(tmp_path: Path) -> None:
    _, store = blocks("torchrun.md")
    told = run_ranks(tmp_path, BEFORE_MEETING + store + ONE_DIES_FIRST + MEETING, "--max-restarts=1")
    assert sorted(line for line in told.splitlines() if line.startswith("stepped")) == ["stepped 1", "stepped 2"]


BEFORE_THE_GRAPH = """
from typing import TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    question: str
    answer: str


saver = InMemorySaver()
graph = StateGraph(State)
graph.add_node("think", lambda state: {"answer": "never here"})
graph.add_edge(START, "think")
graph.add_edge("think", END)
"""


def test_a_node_of_a_graph_runs_in_its_worker(tmp_path: Path) -> None:
    port = free_port()
    worker, graph = (
        block.replace("10.0.0.5:7000", f"127.0.0.1:{port}").replace("10.0.0.4", "127.0.0.1")
        for block in blocks("langgraph.md")
    )
    program = tmp_path / "worker.py"
    program.write_text(worker)
    with subprocess.Popen([sys.executable, str(program)], cwd=tmp_path) as process:
        try:
            asyncio.run(wait_until(lambda: listens(port), LIMIT_S))
            told = run(tmp_path, BEFORE_THE_GRAPH, graph, 'print("answer", result["answer"])')
        finally:
            process.terminate()
    assert "answer WHY?" in told


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
