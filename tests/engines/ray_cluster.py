"""A real Ray of three nodes on 127.0.0.2, .3 and .4, and programs that run in it."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
START_TIMEOUT_S = 90.0
PROGRAM_TIMEOUT_S = 100.0
_MARK = "PULSING_TEST_RAY_MARK"
"""A variable by which the processes of one cluster are known from all others of this machine."""


@dataclass(frozen=True)
class RayCluster:
    """A running Ray."""

    environment: dict[str, str]

    def run(self, program: str, *args: str, **extra: str) -> Any:
        """Run a function of `ray_programs` as a driver of its own; returns what it returned."""
        done = subprocess.run(
            _command(program, *args),
            cwd=ROOT,
            env={**self.environment, **extra},
            capture_output=True,
            text=True,
            timeout=PROGRAM_TIMEOUT_S,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout.splitlines()[-1])

    def start(self, program: str) -> subprocess.Popen[str]:
        """Start such a driver, and leave it running; its output is a pipe."""
        return subprocess.Popen(
            _command(program), cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


def _command(program: str, *args: str) -> list[str]:
    return [sys.executable, "-m", "tests.engines.ray_programs", program, *args]


@contextmanager
def ray_cluster(folder: Path) -> Iterator[RayCluster]:
    """Start Ray on three nodes, and end all of its processes, these and no others, at exit."""
    environment = _environment(folder)
    address = f"{HOSTS[0]}:{_free_port(HOSTS[0])}"
    join = f"--address={address}"
    blocks: list[subprocess.Popen[bytes]] = []
    try:
        head = ["--head", f"--port={address.rpartition(':')[2]}", f"--temp-dir={folder / 'ray'}"]
        for place, how in enumerate(([*head, "--include-dashboard=false"], [join], [join])):
            # One after the other: Ray has had nodes that gave up when two began at once.
            blocks.append(_start(folder, environment, place, how))
            _wait_until_started(blocks[-1], folder / f"ray-{place}.log")
        cluster = RayCluster({**environment, "RAY_ADDRESS": address})
        cluster.run("wait_for_nodes", str(len(HOSTS)))
        yield cluster
    finally:
        _end(environment[_MARK])
        for block in blocks:
            block.wait()


def _environment(folder: Path) -> dict[str, str]:
    token = folder / "ray-token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    ours = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Ray's workers give way to everything else, so that on a busy machine they start after all deadlines.
        "RAY_worker_niceness": "0",
        # Ray's, for workers to find modules of tests.
        "PYTHONPATH": str(ROOT),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_RUNTIME_DIR": str(folder / "run"),
        _MARK: secrets.token_hex(8),
    }
    return {**os.environ, **ours}


def _start(folder: Path, environment: dict[str, str], place: int, more: list[str]) -> subprocess.Popen[bytes]:
    ports = 20_000 + 1_000 * place
    command = [
        str(Path(sys.executable).with_name("ray")),
        "start",
        "--block",
        "--disable-usage-stats",
        f"--node-ip-address={HOSTS[place]}",
        f"--min-worker-port={ports}",
        f"--max-worker-port={ports + 900}",
        "--num-cpus=4",
        f"--resources={json.dumps({f'place{place}': 1, **({'big': 1} if place else {})})}",
        f"--labels=zone=z{place}",
        "--object-store-memory=80000000",
        *more,
    ]
    with (folder / f"ray-{place}.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _wait_until_started(block: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while "Ray runtime started" not in log.read_text():
        if block.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Ray does not start:\n{log.read_text()}")
        time.sleep(0.2)


def _end(mark: str) -> None:
    """Kill everything that inherited the mark, until nothing is left that could start more."""
    while marked := list(_marked(mark)):
        for pid in marked:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _marked(mark: str) -> Iterator[int]:
    wanted = f"{_MARK}={mark}".encode()
    for process in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            pid = int(process.name)
            if wanted in (process / "environ").read_bytes().split(b"\0"):
                yield pid
