"""What compose.yaml starts, started here: each service as a process, with a loopback address for each host."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from pulsing.testing import wait_until
from tests.integration.prometheus_server import answers, prometheus

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = {name: it for name, it in COMPOSE["services"].items() if it["image"] == "pulsing:local"}
LIMIT_S = 40

pytestmark = pytest.mark.timeout(150)


class Machine:
    """Stands for the containers: where their hosts and their files are here.

    Args:
        folder: where services write and secrets lie.
    """

    def __init__(self, folder: Path) -> None:
        # Ports stay as they are written, so each run of this test takes addresses of its own.
        network = f"127.{os.getpid() >> 8 & 127 | 64}.{os.getpid() & 255}"
        self.hosts = {name: f"{network}.{number}" for number, name in enumerate(SERVICES, 1)}
        self.folder = folder
        shutil.copy(ROOT / "docker/make-secrets", folder)
        subprocess.run([folder / "make-secrets"], check=True)
        self.secrets = folder / "secrets"
        self.token = (self.secrets / "admin-token").read_text().strip()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def translate(self, text: str, service: str = "") -> str:
        """A text of a container as it is meant here."""
        text = text.replace("0.0.0.0", self.hosts.get(service, "0.0.0.0")).replace("/run/secrets", str(self.secrets))
        return re.sub(r"\b(node\d|load)(?=:\d)", lambda found: self.hosts[found[1]], text)

    def start(self, service: str) -> None:
        """Start what a service runs, once those that it waits for are healthy."""
        deadline = time.monotonic() + LIMIT_S
        for needed in SERVICES[service].get("depends_on", ()):
            while not self.healthy(needed):
                assert time.monotonic() < deadline, needed
                time.sleep(0.5)
        home = self.folder / service
        home.mkdir()
        settings = {key: self.translate(value, service) for key, value in SERVICES[service]["environment"].items()}
        places = {"PYTHONPATH": str(ROOT / "docker"), "HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
        environment = {**os.environ, **settings, **places}
        environment.pop("XDG_CONFIG_HOME")
        command = [sys.executable, "-c", "from pulsing.cli import main; main()", *SERVICES[service]["command"]]
        with (home / "log").open("wb") as log:
            self.processes[service] = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log)

    def healthy(self, service: str) -> bool:
        """Whether the image's health check says so."""
        found = re.search(r"^HEALTHCHECK.*\\\n +CMD (.*)$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
        assert found is not None
        program = json.loads(found[1])[2].replace("127.0.0.1", self.hosts[service])
        return subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """All services of our image, started in the order in which they wait for each other."""
    here = Machine(tmp_path)
    try:
        for name in sorted(SERVICES, key=lambda name: "depends_on" in SERVICES[name]):
            here.start(name)
        yield here
    finally:
        for process in here.processes.values():
            process.terminate()
        for process in here.processes.values():
            process.wait(LIMIT_S)


@contextlib.asynccontextmanager
async def admin(machine: Machine) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the first node, once all are healthy."""
    for name in SERVICES:
        await wait_until(partial(machine.healthy, name), timeout=LIMIT_S)
    headers = {"Authorization": f"Bearer {machine.token}"}
    async with httpx.AsyncClient(base_url=f"http://{machine.hosts['node1']}:8700/api/v1", headers=headers) as client:
        yield client


async def test_the_nodes_of_compose_find_each_other_and_work(machine: Machine) -> None:
    async with admin(machine) as client:

        async def all_are_targets() -> bool:
            found = {row["targets"][0] for row in (await client.get("/prometheus/sd")).json()}
            return found == {f"{host}:8700" for host in machine.hosts.values()}

        async def records_are_handled() -> bool:
            queues = (await client.get("/queues")).json()["items"]
            return bool(queues) and queues[0]["read_total"] >= 40

        await wait_until(all_are_targets, timeout=LIMIT_S)
        await wait_until(records_are_handled, timeout=LIMIT_S)
        going_on = await client.post("/actors/load/call", json={"method": "running"})
        assert going_on.json()["result"] is True
        classes = [row["class"] for row in (await client.get("/actors")).json()["items"]]
        assert sorted(name for name in classes if name.startswith("load.")) == ["load.LoadActor"] + 3 * [
            "load.TallyActor"
        ]


async def test_the_load_goes_on_when_a_node_leaves_and_another_dies(machine: Machine) -> None:
    async with admin(machine) as client:

        async def places() -> list[str]:
            rows = (await client.get("/actors")).json()["items"]
            return [row["node"] for row in rows if row["class"] == "load.TallyActor"]

        async def spread() -> bool:
            return len(set(await places())) == 3

        async def read_total() -> int:
            found = (await client.get("/queues")).json()["items"]
            return sum(row["read_total"] for row in found if row["queue"] == "jobs")

        async def goes_on(nodes: int, before: int) -> bool:
            found = await places()
            return len(found) == 3 and len(set(found)) == nodes and await read_total() >= before + 100

        await wait_until(spread, timeout=LIMIT_S)
        for node, way, left in (("node2", signal.SIGTERM, 2), ("node3", signal.SIGKILL, 1)):
            machine.processes[node].send_signal(way)
            machine.processes[node].wait(LIMIT_S)
            await wait_until(partial(goes_on, left, await read_total()), timeout=LIMIT_S)
        assert (await client.post("/actors/load/call", json={"method": "running"})).json()["result"] is True


@pytest.mark.skipif(
    shutil.which("prometheus") is None and os.environ.get("CI") != "true", reason="prometheus is not installed"
)
async def test_the_prometheus_of_compose_scrapes_every_node_once(machine: Machine, tmp_path: Path) -> None:
    shutil.copy(ROOT / "docker/alerts.yml", tmp_path)
    config = machine.translate((ROOT / "docker/prometheus-cluster.yml").read_text()).replace("15s", "1s")
    async with admin(machine) as node, prometheus(tmp_path, config) as client:
        metrics = {"Authorization": f"Bearer {(machine.secrets / 'metrics-token').read_text().strip()}"}
        assert (await node.post("/actors/load/call", json={"method": "running"}, headers=metrics)).status_code == 403
        await answers(client, 'sum(up{job="pulsing"})', len(SERVICES))
        await answers(client, 'count(up{job="pulsing"})', len(SERVICES))
        await answers(client, 'count(count by (node) (up{job="pulsing"}))', len(SERVICES))


def test_every_file_and_secret_that_compose_mounts_is_there(tmp_path: Path) -> None:
    shutil.copy(ROOT / "docker/make-secrets", tmp_path)
    subprocess.run([tmp_path / "make-secrets"], check=True)
    made = {f"docker/secrets/{path.name}" for path in (tmp_path / "secrets").iterdir()}
    mounted = {volume.split(":")[0] for it in COMPOSE["services"].values() for volume in it.get("volumes", ())}

    assert {secret["file"] for secret in COMPOSE["secrets"].values()} == made
    assert [path for path in mounted if not (ROOT / path).exists()] == []


def test_no_container_may_write_or_gain_rights_and_no_port_is_open_to_others() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name


def test_the_image_runs_as_a_user_without_rights() -> None:
    users = re.findall(r"^USER (\S+)$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    assert users == ["1000"]


def test_the_image_names_every_port_that_its_services_listen_on() -> None:
    environment = SERVICES["node1"]["environment"]
    ports = {environment[name].rpartition(":")[2] for name in ("PULSING_ADDR", "PULSING_ADMIN_ADDR")}
    exposed = re.findall(r"^EXPOSE (.*)$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    assert set(exposed[0].split()) == {*ports, environment["PULSING_CONTROL_PORT"]}


def test_the_image_gets_all_that_the_wheel_is_made_of() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {*wheel["packages"], *wheel["force-include"], settings["project"]["readme"], "LICENSE", "pyproject.toml"}
    lines = re.findall(r"^COPY (?!--from)(.*) \S+$", (ROOT / "docker/Dockerfile").read_text(), re.MULTILINE)
    copied = {name for line in lines for name in line.split()}
    let_through = re.findall(r"^!(.*)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)

    assert {name.split("/")[0] for name in wanted} <= copied
    assert copied <= set(let_through)
