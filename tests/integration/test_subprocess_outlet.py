"""Programs in processes that an engine places; what stands for Ray here starts them on this machine."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import pulsing.placement.launchers as launchers
import pulsing.subprocess as subprocess
from pulsing.exceptions import Forbidden
from pulsing.ids import ActorId
from pulsing.placement.launcher import Launch
from pulsing.placement.local import LocalLauncher, LocalProcess
from pulsing.subprocess.order import Order
from pulsing.subprocess.outlet import Outlet
from pulsing.testing import system, wait_until
from tests.integration.subprocess_places import Places, two_nodes

BY_RAY: dict[str, Any] = {"placement": "ray", "resources": {"num_cpus": 1, "label_selector": {"zone": "a"}}}


class Recorder(LocalLauncher):
    """Starts processes here, and keeps what was wanted and what was started."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[dict[str, Any]] = []
        self.processes: list[LocalProcess] = []

    async def launch(self, wanted: Launch) -> LocalProcess:
        self.wanted.append(dict(wanted.resources))
        self.processes.append(await super().launch(wanted))
        return self.processes[-1]


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setenv("USE_POLSING_SUBPROCESS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    recorder = Recorder()
    monkeypatch.setitem(launchers._launchers, "ray", recorder)
    return recorder


@pytest.fixture
def nodes(ray: Recorder) -> Iterator[Places]:
    with two_nodes() as places:
        yield places


def is_gone(pid: int | None) -> bool:
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_program_runs_in_a_process_that_ends_with_it(
    nodes: Places, ray: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pulsing.audit")
    done = subprocess.run(["cat"], input="hello", capture_output=True, text=True, system=nodes.here, **BY_RAY)

    assert (done.returncode, done.stdout, done.stderr) == (0, "hello", "")
    assert ray.wanted == [BY_RAY["resources"]]
    nodes.do(wait_until(lambda: is_gone(ray.processes[0].pid)))
    assert '"outcome": "started"' in caplog.text and '"by": "ray"' in caplog.text


def test_a_program_that_is_not_there_is_named_and_leaves_no_process(nodes: Places, ray: Recorder) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        subprocess.run(["no-such-program"], system=nodes.here, **BY_RAY)

    assert caught.value.filename == "no-such-program"
    nodes.do(wait_until(lambda: is_gone(ray.processes[0].pid)))


def test_an_environment_of_ones_own_leaves_the_devices_as_they_were_given(nodes: Places) -> None:
    done = subprocess.run(["env"], env={"A": "1"}, capture_output=True, text=True, system=nodes.here, **BY_RAY)

    assert sorted(done.stdout.split()) == ["A=1", "CUDA_VISIBLE_DEVICES=3"]


def test_when_the_process_is_killed_the_program_ends_and_its_caller_is_told(nodes: Places, ray: Recorder) -> None:
    program = subprocess.Popen(
        ["sh", "-c", "echo $$; sleep 300"], stdout=subprocess.PIPE, text=True, system=nodes.here, **BY_RAY
    )
    with pytest.raises(ConnectionError), program:
        assert program.stdout is not None
        pid = int(program.stdout.readline())
        assert program.node_id not in (nodes.here.node_id, nodes.elsewhere.node_id)
        os.kill(ray.processes[0].pid or 0, signal.SIGKILL)
        program.wait(30)

    nodes.do(wait_until(lambda: is_gone(pid)))


async def test_an_outlet_starts_its_own_program_and_that_once() -> None:
    outlet: Any = Outlet
    async with system() as one:
        made = await outlet.spawn(Order(["sleep", "300"]).to_values(), system=one)
        stream = await made.ref.request("start", (), None, 30.0)
        with pytest.raises(Forbidden, match="again"):
            await made.ref.request("start", (), None, 30.0)
        reader = stream.stream_reader()
        actor_id, _ = await anext(reader)
        await reader.aclose()
        await wait_until(lambda: one.inner.registry.by_id(ActorId.from_str(actor_id)) is None)


def test_without_credentials_nothing_is_placed(ray: Recorder) -> None:
    with two_nodes(insecure=True) as places, pytest.raises(Forbidden, match="without credentials"):
        subprocess.run(["true"], system=places.here, **BY_RAY)

    assert ray.wanted == []


def test_inside_ray_it_finds_the_place_unless_another_one_is_said(
    nodes: Places, ray: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: True))
    assert subprocess.call(["true"], system=nodes.here, resources={"num_cpus": 0}) == 0
    assert ray.wanted == [{"num_cpus": 0}]

    assert subprocess.call(["true"], system=nodes.here, placement="process", resources={"num_cpus": 0}) == 0
    assert len(ray.wanted) == 1
