"""Actors of ours in processes that a real Ray places."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from pulsing.testing import wait_until
from tests.engines.ray_cluster import HOSTS, RayCluster

pytestmark = [pytest.mark.shared_resources, pytest.mark.timeout(200)]


def test_ray_chooses_the_node_and_our_supervisor_restarts_the_actor(ray: RayCluster) -> None:
    expected = {"calls": [11, 13], "host": HOSTS[1], "again": 11, "another": True, "labelled": 7}
    assert ray.run("placed") == expected


def test_what_no_node_has_is_refused_with_what_there_is(ray: RayCluster) -> None:
    gpus, cpus, colour, node = ray.run("infeasible")

    assert gpus.startswith("no node of this Ray cluster has together: 1 GPU (the most on one node is 0)")
    assert cpus.startswith("no node of this Ray cluster has together: 1000 CPU (the most on one node is 4)")
    assert "knows no resource colour; it knows num_cpus" in colour
    assert "Ray has no live node ffff" in node


def test_programs_with_resources_run_where_ray_finds_a_place(ray: RayCluster) -> None:
    found = ray.run("programs")
    not_found, no_gpus = found.pop("errors")

    assert found == {"threads": "2", "host": HOSTS[1], "code": 0, "given back": True}
    assert "No such file or directory: 'no-such-program'" in not_found
    assert "1 GPU (the most on one node is 0)" in no_gpus


@pytest.mark.parametrize("killed", ["caller", "host"])
def test_no_program_outlives_its_caller_or_its_host(ray: RayCluster, killed: str) -> None:
    with ray.start("held") as caller:
        assert caller.stdout is not None and caller.stderr is not None
        program = Path(f"/proc/{int(caller.stdout.readline())}")
        host = int(program.joinpath("stat").read_text().rpartition(")")[2].split()[1])
        os.kill(host if killed == "host" else caller.pid, signal.SIGKILL)
        asyncio.run(wait_until(lambda: not program.exists(), 30.0))
        told = caller.stderr.read()

    assert ("LinkLost" in told or "NodeDead" in told) == (killed == "host")


def test_a_call_to_a_placed_actor_is_three_times_faster_than_one_of_ray(ray: RayCluster) -> None:
    rounds = ray.run("placed_call")
    print(rounds)

    assert max(rays / ours for ours, rays in rounds) > 3
