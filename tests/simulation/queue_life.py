"""A random life of a queue whose nodes fail, and what must be true of it.

Promises: no two acknowledged records have the same place; no two nodes own a bucket in one epoch; a store takes nothing
from an owner after another one has written; what was read at a place stays there, and reading never goes back; what was
acknowledged is there in the end, or every handle that had it is told that it is lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pulsing.exceptions import DataLost, PulsingError, PulsingRuntimeError
from pulsing.streaming.backends.sqlite_file import SqliteFile
from pulsing.streaming.ownership.catalogue import bucket_key
from pulsing.testing import run_virtual, wait_until
from tests.simulation.queue_world import Node, World

BUCKETS = 2
CALM_S = 8.0
"""Longer than a view must stand to be the measure of a partition."""
SETTLE_S = 60.0
LONG_FREEZE_S = 12.0
KINDS = ("memory", "wait", "fresh", "shared")
KEPT_KINDS = ("wait", "shared")
"""Those whose logs outlive all nodes."""


class Violation(AssertionError):
    """A promise was broken; says which, and how to see it again."""


@dataclass
class Handle:
    """A writer and a reader of one node, and what they have been told."""

    node: Node
    queue: Any
    reader: Any
    acked: list[tuple[int, int]] = field(default_factory=list)
    """bucket and generation of each record"""
    reading: dict[int, tuple[int, int]] = field(default_factory=dict)
    """lineage and position in each bucket"""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Life:
    """One seed.

    Args:
        kind: "memory", or the `failover` of sqlite.
        size: of the cluster.
        seed: of all chance.
        faults_s: how long things go wrong.
    """

    def __init__(self, kind: str, size: int, seed: int, faults_s: float = 60.0) -> None:
        self.kind, self.size, self.seed, self.faults_s = kind, size, seed, faults_s
        self.acks: dict[tuple[int, int, int], str] = {}
        """what was acknowledged, by bucket, generation and offset"""
        self.seen: dict[tuple[int, int, int], str] = {}
        """what was read, by bucket, lineage and offset"""
        self.owners: dict[tuple[str, int], int] = {}
        self.writers: dict[int, list[int]] = {}
        """who has written to a log, by its lineage: the openings of its file in order"""
        self.losses = 0
        self._put = 0
        self._violations: list[Violation] = []
        """also those that came to pass inside a node, which makes an answer of every exception"""
        self._digest = hashlib.sha256()

    def run(self) -> Life:
        """Live it.

        Raises:
            Violation: a promise was broken.
        """
        with tempfile.TemporaryDirectory() as folder, self._watched_files():
            self._world = World(
                self.size, f"{self.kind}/{self.size}/{self.seed}", Path(folder), one_disk=self.kind == "shared"
            )
            try:
                run_virtual(self._live, seed=self.seed, limit=1_000.0)
            finally:
                if self._violations:
                    raise self._violations[0]
        return self

    def digest(self) -> str:
        """Fingerprint of all that was acknowledged, read and told."""
        return self._digest.hexdigest()

    async def _live(self) -> None:
        world = self._world
        world.on_start.append(self._watch_epochs)
        handles: list[Handle] = []
        try:
            handles += [await self._join(host) for host in range(self.size)]
            await asyncio.sleep(CALM_S)
            handles += await self._suffer()
            world.heal()
            handles += [await self._join(host) for host in range(self.size) if host not in world.nodes]
            await asyncio.sleep(LONG_FREEZE_S)
            await wait_until(world.agree, SETTLE_S)
            await asyncio.sleep(CALM_S)
            await self._end(handles)
            await self._check_end([handle for handle in handles if handle.node in world.nodes.values()])
        finally:
            await self._end(handles)
            await world.close()

    async def _end(self, handles: list[Handle]) -> None:
        tasks = [task for handle in handles for task in handle.tasks]
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Violation):
                raise outcome

    async def _join(self, host: int) -> Handle:
        node = await self._world.start(host)
        options = {} if self.kind == "memory" else {"failover": self.kind}
        store = {"backend": "memory" if self.kind == "memory" else "sqlite", "backend_options": options}
        queue = await node.system.queue.write("q", num_buckets=BUCKETS, **store)
        reader = await node.system.queue.read("q", num_buckets=BUCKETS, **store)
        handle = Handle(node, queue, reader)
        handle.tasks = [asyncio.ensure_future(work) for work in (self._write(handle), self._read(handle))]
        return handle

    # --- faults ------------------------------------------------------------------------------------------------------

    async def _suffer(self) -> list[Handle]:
        world, loop = self._world, asyncio.get_running_loop()
        joined: list[Handle] = []
        end = loop.time() + self.faults_s
        while loop.time() < end:
            await asyncio.sleep(world.random.uniform(1.0, 12.0))
            if (handle := await self._fault()) is not None:
                joined.append(handle)
        return joined

    async def _fault(self) -> Handle | None:
        world = self._world
        up = sorted(world.nodes)
        host = world.random.choice(up)
        side = world.random.sample(up, world.random.randint(1, max(1, len(up) - 1)))
        others = [other for other in up if other not in side]
        missing = [host for host in range(self.size) if host not in world.nodes]
        faults = ["kill", "leave", "freeze", "cut", "cut", "one way", "heal", "heal", "start", "start"]
        if self.kind in KEPT_KINDS:
            faults.append("outage")
        fault = world.random.choice(faults)
        self._note("fault", fault, host, side)
        if fault == "start" and missing:
            return await self._join(world.random.choice(missing))
        if fault == "outage":
            for one in up:
                world.kill(one)
            return await self._join(world.random.randrange(self.size))
        if fault == "kill" and len(up) > 1:
            world.kill(host)
        elif fault == "leave" and len(up) > 1:
            await world.leave(host)
        elif fault == "freeze":
            world.freeze(host, world.random.choice((3.0, LONG_FREEZE_S)))
        elif fault in ("cut", "one way"):
            world.cut(side, others, one_way=fault == "one way")
        elif fault == "heal":
            world.heal()
        return None

    # --- work --------------------------------------------------------------------------------------------------------

    async def _write(self, handle: Handle) -> None:
        while True:
            await asyncio.sleep(self._world.random.uniform(0.1, 0.6))
            self._put += 1
            name = f"r{self._put}"
            try:
                told = await asyncio.wait_for(handle.queue.append({"id": name}), 20.0)
            except (PulsingError, OSError, asyncio.TimeoutError) as error:
                self._note("refused", name, type(error).__name__)
                continue
            place = told["bucket_id"], told["generation"], told["offset"]
            self._note("acked", name, *place)
            if place in self.acks:
                self._broken(f"{name} and {self.acks[place]} were both acknowledged at {place}")
            self.acks[place] = name
            handle.acked.append(place[:2])

    async def _read(self, handle: Handle) -> None:
        bucket = 0
        while True:
            await asyncio.sleep(self._world.random.uniform(0.2, 1.0))
            bucket = (bucket + 1) % BUCKETS
            try:
                await self._read_bucket(handle, bucket)
            except DataLost as loss:
                self.losses += 1
                self._note("lost", loss.bucket_id, loss.reason)
                handle.reading.pop(bucket, None)
            except (PulsingError, OSError, asyncio.TimeoutError):
                continue

    async def _read_bucket(self, handle: Handle, bucket: int) -> None:
        lineage, offset = handle.reading.get(bucket, (0, 0))
        fetched = await asyncio.wait_for(handle.queue.fetch(bucket, 1_000, offset), 20.0)
        if fetched is None:
            return
        loss = handle.reader._footing.read(bucket, fetched, offset, anchored=lineage != 0)
        if loss is not None:
            raise loss
        records, following, _, (found, _, _), _, _ = fetched
        if lineage not in (0, found):
            self._broken(f"bucket {bucket} has another log, and a reader was not told")
        if following < offset:
            self._broken(f"reading in bucket {bucket} went back from {offset} to {following}")
        for place, record in enumerate(records, offset):
            known = self.seen.setdefault((bucket, found, place), record["id"])
            if known != record["id"]:
                self._broken(f"at {place} of bucket {bucket} was {known}, and then {record['id']}")
        handle.reading[bucket] = found, following

    # --- promises ----------------------------------------------------------------------------------------------------

    async def _check_end(self, handles: list[Handle]) -> None:
        generations: dict[int, int] = {}
        for bucket in range(BUCKETS):
            there, generation = await self._contents(handles[0], bucket)
            generations[bucket] = generation
            acked = {name for (b, g, _), name in self.acks.items() if b == bucket and g == generation}
            if missing := sorted(acked - there):
                self._broken(f"bucket {bucket} lacks {missing[:5]} of generation {generation}, which were acknowledged")
        if self.kind in KEPT_KINDS and set(generations.values()) != {1}:
            self._broken(f"a log began anew: {generations}")
        for handle in handles:
            for bucket in range(BUCKETS):
                await self._check_told(handle, bucket, generations[bucket])

    async def _contents(self, handle: Handle, bucket: int) -> tuple[set[str], int]:
        """All records of a bucket; whatever was away is back by now."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SETTLE_S
        while True:
            try:
                told = await handle.queue.append({"id": self._name_in(handle, bucket)})
                fetched = await handle.queue.fetch(bucket, 1_000_000, 0)
                return {record["id"] for record in fetched.records}, told["generation"]
            except PulsingRuntimeError as error:
                if loop.time() > deadline:
                    self._broken(f"bucket {bucket} cannot be used although all is well again: {error!r}")
                await asyncio.sleep(0.5)

    def _name_in(self, handle: Handle, bucket: int) -> str:
        return next(f"last{n}" for n in range(1_000) if handle.queue.get_bucket_id(f"last{n}") == bucket)

    async def _check_told(self, handle: Handle, bucket: int, generation: int) -> None:
        """A writer whose records are gone hears of it at its first read, one that lost nothing hears nothing."""
        lost_some = any(b == bucket and g != generation for b, g in handle.acked)
        try:
            await handle.queue.get(bucket)
            told = False
        except DataLost:
            told = True
        if lost_some and not told:
            self._broken(f"a writer lost records of bucket {bucket} and was not told")

    def _watch_epochs(self, node: Node) -> None:
        catalogue = node.manager.catalogue
        take = catalogue.take

        def watched(key: str, node_id: int, seen: int = 0) -> Any:
            # Files settle it themselves, when they are opened.
            watches = self.kind == "memory" and key.startswith("q:bucket_") and node_id
            if watches:
                self._forget_unknown(key)
            holding = take(key, node_id, seen)
            if watches:
                owner = self.owners.setdefault((key, holding.epoch), node_id)
                if owner != node_id:
                    self._broken(f"{key} has two owners in epoch {holding.epoch}")
            return holding

        catalogue.take = watched

    def _forget_unknown(self, key: str) -> None:
        """Forget a bucket in memory of which no node knows: those who did have ended, with their handles.

        One that lives may never have met them, so that this can be without an end of all nodes.
        """
        if any(node.epoch_of(key) for node in self._world.not_ended):
            return
        for known in [one for one in self.owners if one[0] == key]:
            del self.owners[known]
        for place in [place for place in self.acks if bucket_key("q", place[0]) == key]:
            del self.acks[place]

    @contextmanager
    def _watched_files(self) -> Iterator[None]:
        """Let every commit to a file be noted."""
        commit = SqliteFile._commit

        def watched(file: SqliteFile, bodies: list[bytes], size: int) -> None:
            commit(file, bodies, size)
            if self.owners.setdefault((str(file.lineage), file._epoch), file._owner) != file._owner:
                self._broken(f"{file.path.name} has two owners in epoch {file._epoch}")
            openings = self.writers.setdefault(file.lineage, [])
            if not openings or openings[-1] != file._owner:
                if file._owner in openings:
                    self._broken(f"{file.path.name} took records from an owner after another one had written")
                openings.append(file._owner)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SqliteFile, "_commit", watched)
            yield

    @property
    def summary(self) -> str:
        """What happened, in a line."""
        return f"{len(self.acks)} acknowledged, {len(self.owners)} owners, {self.losses} losses told, {self.digest()}"

    def _note(self, *what: object) -> None:
        self._digest.update(repr((round(asyncio.get_running_loop().time(), 6), *what)).encode())

    def _broken(self, what: str) -> None:
        command = "python -m tests.simulation.queue_campaign --faults"
        life = f"{self.faults_s:g} --replay {self.kind} {self.size} {self.seed}"
        self._violations.append(Violation(f"{what}\nreplay with: {command} {life}"))
        raise self._violations[-1]
