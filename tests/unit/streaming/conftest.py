"""Systems for the tests of queues and topics: one node, or several that reach each other without a network."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pulsing.core import NodeId, Terminated
from pulsing.core.envelope import Envelope
from pulsing.core.inspection import register_inspectors
from pulsing.core.ref import ActorRef
from pulsing.core.seams import MemberView
from pulsing.core.service import start_system_actors
from pulsing.core.system import System
from pulsing.exceptions import NodeDead, NodeNotFound, PulsingRuntimeError
from pulsing.ids import ActorId
from pulsing.runtime import ActorSystem
from pulsing.streaming import start_streaming


class Cluster:
    """Nodes of one process: messages go straight from one to the other, and a node can die."""

    def __init__(self) -> None:
        self.nodes: dict[NodeId, System] = {}
        self.dead: set[NodeId] = set()
        self.sent: list[Envelope] = []

    async def add(self, number: int) -> ActorSystem:
        """A node with a chosen id, known to all others at once."""
        inner = System(node_id=NodeId(number))
        start_system_actors(inner)
        system = ActorSystem(inner)
        self.nodes[inner.node_id] = inner
        inner.router = Route(self, inner)
        inner.members_view = lambda: self.view(inner)
        await start_streaming(system)
        return system

    def view(self, system: System) -> list[MemberView]:
        others = [node for node in self.nodes if node != system.node_id]
        views = [MemberView(system.node_id, "", "Alive")]
        return views + [
            MemberView(node, "", "Dead", ended=True) if node in self.dead else MemberView(node, "", "Alive")
            for node in others
        ]

    async def kill(self, system: ActorSystem) -> None:
        """End a node at once; whoever waits for it is told."""
        inner = system.inner
        self.dead.add(inner.node_id)
        for envelope in self.sent:
            if envelope.target.node_id == inner.node_id:
                envelope.fail(NodeDead(inner.node_id, maybe_executed=True))
        await inner.shutdown(drain=0)

    async def close(self) -> None:
        for inner in self.nodes.values():
            await inner.shutdown(drain=0)


class Route:
    """How one node reaches the others."""

    def __init__(self, cluster: Cluster, system: System) -> None:
        self._cluster = cluster
        self._system = system

    def ask(self, envelope: Envelope) -> None:
        try:
            target = self._target(envelope.target.node_id)
        except PulsingRuntimeError as error:
            envelope.fail(error)
            return
        self._cluster.sent.append(envelope)
        target.deliver(envelope)

    def holds(self, envelope: Envelope) -> bool:
        return False

    async def tell(self, envelope: Envelope) -> None:
        self._target(envelope.target.node_id).deliver(envelope)

    def watch(self, actor_id: ActorId, told: Callable[[Terminated], None]) -> None:
        target = self._target(actor_id.node_id)
        target.watch(ActorRef(actor_id, None, target), told)

    def check_node(self, node_id: NodeId) -> None:
        self._target(node_id)

    def _target(self, node_id: NodeId) -> System:
        if node_id in self._cluster.dead:
            raise NodeDead(node_id)
        if node_id not in self._cluster.nodes:
            raise NodeNotFound(node_id)
        return self._cluster.nodes[node_id]


@asynccontextmanager
async def _one_system() -> AsyncIterator[ActorSystem]:
    inner = System()
    start_system_actors(inner)
    register_inspectors(inner)
    system = ActorSystem(inner)
    await start_streaming(system)
    try:
        yield system
    finally:
        await inner.shutdown(drain=0)


@asynccontextmanager
async def _one_cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    try:
        yield cluster
    finally:
        await cluster.close()


@pytest.fixture
def one_system() -> Any:
    """A context manager of a system of its own."""
    return _one_system


@pytest.fixture
def one_cluster() -> Any:
    """A context manager of nodes that reach each other."""
    return _one_cluster


async def _until(true: Callable[[], Any], timeout: float = 5.0) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while not true():
        assert loop.time() < deadline, "the condition did not come true"
        await asyncio.sleep(0.001)


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Wait for a condition, with a deadline."""
    return _until


class RedisServer:
    """A server of a test's own, which keeps an append-only file and can be ended and started again."""

    def __init__(self, program: str, port: int, folder: Path) -> None:
        self.url = f"redis://127.0.0.1:{port}"
        self.folder = folder
        self._port = port
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
        self._command = [program, *options, "--appendonly", "yes", "--daemonize", "no"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        _wait_for_port(self._port)

    def also(self, *options: str) -> None:
        """Take further options from the next start on."""
        self._command += options

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def remember(self) -> None:
        """Keep a copy of what is on disk now."""
        shutil.copytree(self.folder / "appendonlydir", self.folder / "copy", dirs_exist_ok=True)

    def forget(self, *, all: bool) -> None:
        """Let the disk have what the copy has, or nothing; only while the server is not running."""
        shutil.rmtree(self.folder / "appendonlydir")
        if not all:
            shutil.copytree(self.folder / "copy", self.folder / "appendonlydir")


@pytest.fixture
def redis_server(require_redis: str, free_port: int, tmp_path: Path) -> Iterator[RedisServer]:
    """A running server."""
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(require_redis, free_port, folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Where a running server is."""
    return redis_server.url


def _wait_for_port(port: int) -> None:
    """Wait until the server has read its files and answers."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as connection:
                connection.sendall(b"PING\r\n")
                if connection.recv(64).startswith(b"+PONG"):
                    return
        except OSError:
            pass
        assert time.monotonic() < deadline, "redis-server did not start"
        time.sleep(0.01)
