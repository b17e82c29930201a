"""A node in a process of its own, told what to do by lines on its input, telling what it sees by lines of JSON.

Times are those of the machine's monotonic clock, which all its processes share.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Any

import pulsing as pul
from pulsing.core.events import Event
from pulsing.streaming.writing import bucket_of
from pulsing.testing import wait_until

START_S = 30.0
LONGEST_LINE = 16 * 1024 * 1024
PACE_S = 0.05
"""Between two records of one producer."""


AT_ONCE = 20
"""Numbered messages of one sender that are under way together."""


class Keeper(pul.Actor):
    """Holds a name, notes numbers, and holds the loop, or all of the interpreter, when it is told to."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._heard: dict[str, int] = {}
        self._wrong = 0

    async def receive(self, msg: Any) -> Any:
        match msg:
            case {"sender": sender, "number": number}:
                self._wrong += number <= self._last.get(sender, -1)
                self._last[sender] = number
                self._heard[sender] = self._heard.get(sender, 0) + 1
            case {"heard": sender}:
                return {"heard": self._heard.get(sender, 0), "wrong": self._wrong}
            case {"block": seconds}:
                time.sleep(seconds)  # noqa: ASYNC251 - what this is for
            case {"hold": seconds}:
                # Loaded in this way, C code keeps the interpreter for itself.
                ctypes.PyDLL(None).usleep(int(seconds * 1_000_000))
            case {"forever": _}:
                await asyncio.Event().wait()
        return msg


class Process:
    """A node as its parent sees it."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.seen: list[dict[str, Any]] = []
        """What it told, the oldest first."""
        self._child = child
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def start(
        cls, *seeds: str, inside: Sequence[str] = (), env: Mapping[str, str] | None = None, **options: Any
    ) -> Process:
        """A node that has joined through the seeds.

        Args:
            seeds: addresses of others.
            inside: a command that starts another one elsewhere, such as in a namespace.
            env: further variables of its environment.
            options: further settings of the system.
        """
        settings = json.dumps({"seeds": list(seeds), **options})
        child = await asyncio.create_subprocess_exec(
            *inside,
            sys.executable,
            __file__,
            settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=LONGEST_LINE,
            env={**os.environ, **(env or {})},
        )
        made = cls(child)
        try:
            await wait_until(lambda: made.last("ready"), START_S)
        except BaseException:
            await made.end()
            raise
        return made

    def last(self, kind: str) -> dict[str, Any] | None:
        """The newest line of a kind."""
        return next((line for line in reversed(self.seen) if line["kind"] == kind), None)

    def all(self, kind: str, node: str) -> list[dict[str, Any]]:
        """The lines of a kind about a node."""
        return [line for line in self.seen if line["kind"] == kind and line.get("id") == node]

    @property
    def addr(self) -> str:
        return str(self.seen[0]["addr"])

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def id(self) -> str:
        return str(self.seen[0]["id"])

    async def tell(self, **command: Any) -> None:
        """Send a command."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(command).encode() + b"\n")
        await self._child.stdin.drain()

    async def ask(
        self, kind: str, ready: Callable[[dict[str, Any]], bool], timeout: float = 30.0, **command: Any
    ) -> dict[str, Any]:
        """Ask for a line of a kind until it is as wanted."""

        async def answered() -> dict[str, Any] | None:
            before = len(self.seen)
            await self.tell(do=kind, **command)
            await wait_until(lambda: any(line["kind"] == kind for line in self.seen[before:]), timeout)
            line = self.last(kind)
            return line if line is not None and ready(line) else None

        found: dict[str, Any] | None = await wait_until(answered, timeout)
        assert found is not None
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._child.send_signal(number)

    async def end(self) -> None:
        """End it, whatever it does."""
        if self._child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()
        await self._child.wait()
        await self._reading
        if self._child.stdin is not None:
            self._child.stdin.close()
            with contextlib.suppress(OSError):
                await self._child.stdin.wait_closed()

    async def _read(self) -> None:
        assert self._child.stdout is not None
        while line := await self._child.stdout.readline():
            self.seen.append(json.loads(line))


@contextlib.asynccontextmanager
async def processes(count: int, **options: Any) -> AsyncIterator[list[Process]]:
    """Nodes in processes of their own, each of which sees all others alive."""
    made: list[Process] = []
    try:
        for _ in range(count):
            made.append(await Process.start(*(p.addr for p in made[:1]), **options))
        for process in made:
            await process.ask("members", lambda line: line["alive"] == count)
        yield made
    finally:
        for process in made:
            await process.end()


# --- in the process ------------------------------------------------------------------------------------------------


def say(kind: str, **what: Any) -> None:
    print(json.dumps({"kind": kind, "at": time.monotonic(), **what}), flush=True)


class Node:
    """What runs in the process."""

    def __init__(self, system: pul.ActorSystem) -> None:
        self._system = system
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_calm = False

    async def do(self, command: dict[str, Any]) -> None:
        match command.pop("do"):
            case "members":
                members = await self._system.members()
                say("members", alive=sum(m["status"] == "Alive" for m in members))
            case "rows":
                say("rows", rows=await self._system.inner.inspect("members"))
            case "names":
                say("names", count=len(await self._system.inner.inspect("names", {"prefix": "actors/keeper"})))
            case "traffic":
                say("traffic", **await self._system.inner.inspect("cluster_traffic"))
            case "call":
                ref = await self._system.resolve(command["name"], timeout=10)
                say("call", answer=await ref.ask({"hello": 1}, timeout=10))
            case "spawn":
                await self._system.spawn(Keeper(), name=command["name"], public=True)
            case "publish":
                for number in range(command["count"]):
                    await self._system.spawn(Keeper(), name=f"keeper-{number}", public=True)
                say("published")
            case "ask":
                self._begin(self._ask(command["name"], command["message"]))
            case "number":
                self._is_calm = False
                for name in command["names"]:
                    self._begin(self._number(name))
            case "calm":
                self._is_calm = True
            case "produce":
                for bucket in range(command["buckets"]):
                    self._begin(self._produce(command["queue"], command["buckets"], bucket))
            case "records":
                queue = await self._system.queue.read(
                    command["queue"], num_buckets=command["buckets"], backend="sqlite"
                )
                say("records", records=await queue.get(limit=1_000_000))
            case "hush":
                for task in self._tasks:
                    task.cancel()
                say("hush")

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _produce(self, name: str, buckets: int, bucket: int) -> None:
        """Put records into one bucket for ever, and tell where each went, or why it did not."""
        queue = await self._system.queue.write(name, num_buckets=buckets, backend="sqlite")
        for number in itertools.count():
            record = {"id": f"{self._system.node_id}-{number}"}
            if bucket_of(record["id"], buckets) != bucket:
                continue
            try:
                place = await queue.append(record)
                say("acked", id=record["id"], **place)
            except pul.PulsingError as error:
                say("refused", bucket_id=bucket, error=type(error).__name__)
            await asyncio.sleep(PACE_S)

    async def _number(self, name: str) -> None:
        """Send numbered messages to an actor until all is to be calm, and tell what came of them and of it."""
        ref = await self._system.resolve(name, timeout=60)
        sender, answered, sent = str(self._system.node_id), 0, 0
        while not self._is_calm:
            asks = [ref.ask({"sender": sender, "number": sent + number}, timeout=60) for number in range(AT_ONCE)]
            outcomes = await asyncio.gather(*map(asyncio.ensure_future, asks), return_exceptions=True)
            sent += AT_ONCE
            failed = [error for error in outcomes if isinstance(error, BaseException)]
            assert all(isinstance(error, pul.PulsingError) for error in failed), failed
            answered += AT_ONCE - len(failed)
        say("numbered", name=name, sent=sent, answered=answered, **await ref.ask({"heard": sender}, timeout=60))

    async def _ask(self, name: str, message: Any) -> None:
        ref = await self._system.resolve(name, timeout=10)
        say("asked")
        try:
            await ref.ask(message, timeout=60)
            say("answered")
        except pul.PulsingError as error:
            say("failed", error=type(error).__name__)

    def happened(self, event: Event) -> None:
        if event.type.startswith("member."):
            names = [
                f"keeper{number}" for number in range(9) if self._system.inner.names.instances(f"actors/keeper{number}")
            ]
            say(event.type, id=event.subject_id, names=names)


async def main(settings: dict[str, Any]) -> None:
    began = time.monotonic()
    addr = settings.pop("addr", "127.0.0.1:0")
    system = await pul.actor_system(addr, admin=False, **settings)
    say("ready", addr=system.addr, id=str(system.node_id), took=time.monotonic() - began)
    node = Node(system)
    system.inner.events.listen(node.happened)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        await node.do(json.loads(line))
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
