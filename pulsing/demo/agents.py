"""The three agents of the demo: one puts texts into a queue, some analyse them, each node keeps the totals."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pulsing.agent import agent
from pulsing.core import ActorProxy, current_actor
from pulsing.demo.analysis import Finding, Totals, analyse
from pulsing.demo.corpus import NotText, list_files, read_text
from pulsing.exceptions import DataLost, PulsingRuntimeError
from pulsing.logs import logger_of
from pulsing.streaming import PublishMode, Queue, QueueReader, TopicReader, TopicWriter

logger = logger_of("pulsing.demo")

DOCUMENTS = "documents"
FINDINGS = "findings"
BUCKETS = 4

# So many texts are under way at once: enough for two analysts, little enough to put again after a loss.
_WINDOW = 64
_BATCH = 8
# After so many seconds without a finding a text is taken for lost and put again.
_PATIENCE_S = 20.0
# So long a publish waits for an archivist that may have died.
_ACK_S = 2.0
# How many records a bucket keeps behind its readers; the demo may run for days.
_KEPT_RECORDS = 1_000


@agent(
    role="Reader",
    goal="Bring every text file under a folder into the queue, and see each of them through to a finding",
    backstory="Once lost a box of letters in a fire, and has kept a list of what is under way ever since.",
    demo="yes",
    writes=DOCUMENTS,
)
class Reader:
    """Puts one record a file into the queue, and again those whose finding does not come."""

    def __init__(self, root: str, archivist: ActorProxy, once: bool, pause: float) -> None:
        self._root = Path(root)
        self._archivist = archivist
        self._once = once
        self._pause = pause
        self._queue: Queue | None = None
        self._pass = 0
        self._files: list[str] = []
        self._done_before = 0
        self._next = 0
        self._waiting: dict[str, float] = {}
        self._skipped: Counter[str] = Counter()
        self._put_again = 0
        self._finished = False

    async def on_start(self, actor_id: object) -> None:
        """List the files and begin."""
        system = current_actor().system
        self._queue = await system.queue.write(
            DOCUMENTS, bucket_column="path", num_buckets=BUCKETS, backend_options={"max_records": _KEPT_RECORDS}
        )
        # Whoever read before, on a node that is gone, may have come far: the archivist knows.
        await self._begin_pass(await self._archivist.latest_pass())
        current_actor().delayed(0).step()

    async def step(self) -> None:
        """See what has become of the texts under way, then put some more; asks itself to do so again."""
        try:
            await self._look_back()
            await self._put_next()
            await self._end_pass_when_done()
        except PulsingRuntimeError:
            # A bucket or the archivist is moving; what could not be put is still on the list.
            pass
        if not self._finished:
            current_actor().delayed(self._pause).step()

    async def under_way(self) -> list[str]:
        """The texts that were put and have no finding yet."""
        return list(self._waiting)

    async def distrust(self) -> int:
        """Take every text under way for lost: a node is gone that may have held it. Returns how many there are."""
        self._waiting = dict.fromkeys(self._waiting, -math.inf)
        return len(self._waiting)

    async def progress(self) -> dict[str, Any]:
        """How far the present pass over the input has come."""
        skipped = self._skipped.total()
        return {
            "done": self._done_before + self._next - len(self._waiting) - skipped,
            "known": self._done_before + len(self._files),
            "skipped": skipped,
            "pass": self._pass,
            "finished": self._finished,
        }

    async def summary(self) -> dict[str, Any]:
        """What was skipped, by reason, and how many texts were put more than once."""
        return {"skipped": dict(self._skipped), "put_again": self._put_again}

    async def _begin_pass(self, number: int) -> None:
        files = await asyncio.to_thread(list_files, self._root)
        self._files = await self._archivist.still_open(number, files)
        self._done_before = len(files) - len(self._files)
        self._pass = number
        self._next = 0
        self._skipped.clear()

    async def _look_back(self) -> None:
        open_paths = await self._archivist.still_open(self._pass, list(self._waiting))
        self._waiting = {path: self._waiting[path] for path in open_paths}
        now = asyncio.get_running_loop().time()
        overdue = [path for path, put_at in self._waiting.items() if now - put_at > _PATIENCE_S]
        for path in overdue[:_BATCH]:
            self._put_again += 1
            await self._put(path)

    async def _put_next(self) -> None:
        for _ in range(_BATCH):
            if len(self._waiting) >= _WINDOW or self._next == len(self._files):
                return
            path = self._files[self._next]
            self._next += 1
            # On the list before it is put: when the put fails it is overdue already.
            self._waiting[path] = -math.inf
            await self._put(path)

    async def _put(self, path: str) -> None:
        try:
            text = await asyncio.to_thread(read_text, self._locate(path))
        except NotText as error:
            self._skipped[str(error)] += 1
            del self._waiting[path]
            return
        assert self._queue is not None
        await self._queue.put({"path": path, "pass": self._pass, "text": text})
        self._waiting[path] = asyncio.get_running_loop().time()

    async def _end_pass_when_done(self) -> None:
        if self._next < len(self._files) or self._waiting:
            return
        if self._once:
            self._finished = True
        else:
            await self._begin_pass(self._pass + 1)

    def _locate(self, path: str) -> Path:
        return self._root if self._root.is_file() else self._root / path


@agent(
    role="Analyst",
    goal="Say of every text how many lines, words, definitions and which identifiers it has",
    backstory="Reads by counting. Was told that this is not reading, counted the words of that, and went on.",
    demo="yes",
    reads=DOCUMENTS,
    publishes=FINDINGS,
)
class Analyst:
    """Takes its share of the buckets and publishes a finding for each record."""

    def __init__(self, name: str, pause: float) -> None:
        self._name = name
        self._pause = pause
        self._reader: QueueReader | None = None
        self._findings: TopicWriter | None = None
        self._in_hand: deque[dict[str, Any]] = deque()
        self._lost = 0

    async def assign(self, rank: int, world_size: int) -> list[int]:
        """Consume the buckets of `rank` among `world_size` analysts from now on, and return them."""
        begins = self._reader is None
        system = current_actor().system
        if self._findings is None:
            self._findings = await system.topic.write(FINDINGS, writer_id=self._name)
        self._reader = await system.queue.read(DOCUMENTS, rank=rank, world_size=world_size, num_buckets=BUCKETS)
        if begins:
            current_actor().delayed(0).step()
        return list(self._reader.bucket_ids or [])

    async def losses(self) -> int:
        """How many times a bucket told this analyst that records were lost."""
        return self._lost

    async def step(self) -> int:
        """Analyse what has come, for half a second at most; asks itself to do so again. Returns the findings made."""
        try:
            return await self._analyse_some()
        except DataLost:
            self._lost += 1
            return 0
        except PulsingRuntimeError:
            # A bucket or the topic is moving to another node: what is in hand is published at the next step.
            return 0
        finally:
            current_actor().delayed(self._pause).step()

    async def _analyse_some(self) -> int:
        assert self._reader is not None
        if not self._in_hand:
            self._in_hand.extend(await self._reader.get(limit=_BATCH, wait=True, timeout=0.5))
        made = 0
        while self._in_hand:
            await self._publish(self._in_hand[0])
            self._in_hand.popleft()
            made += 1
        return made

    async def _publish(self, record: dict[str, Any]) -> None:
        assert self._findings is not None
        # In a thread: a long text would hold up everything else on this node's loop.
        finding = await asyncio.to_thread(analyse, record["text"])
        message = {"path": record["path"], "pass": record["pass"], "analyst": self._name, **finding.to_dict()}
        try:
            await self._findings.publish(message, mode=PublishMode.WAIT_ALL_ACKS, timeout=_ACK_S)
        except TimeoutError:
            # An archivist that died. The others have it; should none of them, the reader puts the text again.
            logger.debug("not every archivist has acknowledged %s", record["path"])


@agent(
    role="Archivist",
    goal="Keep the totals, counting no text twice",
    backstory="There is one on every node, so that the totals outlive any of them.",
    demo="yes",
    reads=FINDINGS,
)
class Archivist:
    """Adds up the findings."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._totals = Totals()
        self._by_analyst: Counter[str] = Counter()
        self._done: dict[int, set[str]] = {}
        self._subscription: TopicReader | None = None

    async def on_start(self, actor_id: object) -> None:
        """Subscribe. The findings come as calls to oneself, one turn each."""
        context = current_actor()
        me = context.ref.as_any()
        self._subscription = await context.system.topic.read(FINDINGS, reader_id=self._name)

        async def note(message: dict[str, Any]) -> None:
            await me.note(message)

        self._subscription.add_callback(note)
        await self._subscription.start()

    async def on_stop(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            await self._subscription.stop()

    async def note(self, message: dict[str, Any]) -> bool:
        """Count a finding; False if that text was counted in this pass before."""
        done = self._done.setdefault(message["pass"], set())
        if message["path"] in done:
            return False
        done.add(message["path"])
        self._done.pop(message["pass"] - 2, None)
        self._totals.add(Finding.from_dict(message))
        self._by_analyst[message["analyst"]] += 1
        return True

    async def latest_pass(self) -> int:
        """The number of the pass over the input from which findings have come, 1 before there are any."""
        return max(self._done, default=1)

    async def still_open(self, number: int, paths: Iterable[str]) -> list[str]:
        """Those of `paths` for which pass `number` has no finding yet."""
        done = self._done.get(number, set())
        return [path for path in paths if path not in done]

    async def summary(self, top: int = 10) -> dict[str, Any]:
        """The totals, with the most used identifiers, and how many files each analyst did."""
        return {**self._totals.summary(top), "by_analyst": dict(self._by_analyst)}
