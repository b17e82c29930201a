"""One stream for everything that a page shows: a snapshot of each subscription, then what changed.

A tick asks each question once, however many watch it; without a client nothing runs at all. A client that reads too
slowly loses its frames, is told so by a `gap`, and starts from a snapshot again: others never notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from pulsing.admin.fanout import Answers, Fanout
from pulsing.admin.payloads import Payloads
from pulsing.admin.problems import ProblemError
from pulsing.admin.replies import encode
from pulsing.admin.schemas import Input
from pulsing.admin.settings import AdminSettings, Principal
from pulsing.admin.sources import Question, Sources, Subscribe
from pulsing.clock import Clock
from pulsing.core.moments import timestamp
from pulsing.exceptions import PulsingError
from pulsing.logs import logger_of

logger = logger_of("pulsing.admin")

MAX_SUBSCRIPTIONS = 16
MAX_FRAMES = 256
MAX_BYTES = 1 << 20
RESUME_S = 60.0
TICK_EVERY_S = 5.0
RETRY_MS = 2_000
MANY_ACTORS = 100_000
WALK_SHARE = 20
"""A tick that walks over more than so many actors may take one part in so many of the time."""

Row = dict[str, Any]


class Change(Input):
    """What a client changes about its subscriptions."""

    add: list[Subscribe] = Field(default_factory=list, max_length=MAX_SUBSCRIPTIONS)
    remove: list[str] = Field(default_factory=list, max_length=MAX_SUBSCRIPTIONS)


@dataclass
class View:
    """What was last shown of one question, and what changed since."""

    question: Question
    revision: int = 0
    base: int = 0
    rows: dict[str, Row] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    counts: tuple[int, int] = (0, 0)
    answers: Answers = field(default_factory=Answers)
    delta: bytes | None = None
    """members of the latest delta, without braces and `sub`; None when nothing changed at the last tick"""
    appended: bool = False
    """whether that has only rows which have come, and goes by the name of `append`"""
    problem: ProblemError | None = None
    unwatched_since: float | None = None
    _snapshot: bytes | None = None

    def advance(self, rows: Sequence[Row], total: int, filtered: int, answers: Answers, revision: int) -> bool:
        """Take the rows of a tick; whether anything changed."""
        name = self.question.id_field
        found = {str(row[name]): row for row in rows}
        order = list(found)
        changed = [_changes(self.rows.get(key), row, name) for key, row in found.items()]
        sets = [change for change in changed if change is not None]
        gone = [key for key in self.rows if key not in found]
        same = not sets and not gone and order == self.order and (total, filtered) == self.counts
        if same and answers.faults == self.answers.faults and self.revision:
            self.delta = None
            return False
        self.base, self.revision, self._snapshot = self.revision, revision, None
        fresh = [row for key, row in found.items() if key not in self.rows]
        body: dict[str, Any] = {"rev": revision, "base": self.base, "total": total, "filtered": filtered}
        self.appended = self.question.appends or (
            self.question.grows and len(sets) == len(fresh) and self._grew_by(fresh, order, answers)
        )
        if self.appended:
            body["rows"] = fresh[::-1]
        else:
            body |= {"set": sets, "del": gone, "partial": answers.partial, "errors": answers.faults}
            if order != self.order:
                body["order"] = order
        self.rows, self.order, self.counts, self.answers = found, order, (total, filtered), answers
        self.delta = encode(body)[1:-1]
        return True

    def _grew_by(self, fresh: Sequence[Row], order: Sequence[str], answers: Answers) -> bool:
        """Whether the new window is the old one behind these rows, less what they pushed out of it."""
        name = self.question.id_field
        longer = [*(str(row[name]) for row in fresh), *self.order][: self.question.query.limit]
        return bool(fresh) and order == longer and answers.faults == self.answers.faults

    def snapshot(self) -> bytes:
        """Members of a snapshot, without braces and `sub`; written once for all who need it."""
        if self._snapshot is None:
            body: dict[str, Any] = {
                "topic": self.question.topic,
                "rev": self.revision,
                "total": self.counts[0],
                "filtered": self.counts[1],
                "offset": self.question.query.offset,
                "rows": [self.rows[key] for key in self.order],
                "partial": self.answers.partial,
                "errors": self.answers.faults,
            }
            self._snapshot = encode(body)[1:-1]
        return self._snapshot


def _changes(before: Row | None, now: Row, name: str) -> Row | None:
    if before is None:
        return now
    # A field that disappeared is sent as null: a merge on the other side must not keep the old value.
    changed = {key: value for key, value in now.items() if key not in before or before[key] != value}
    changed |= {key: None for key in before if key not in now}
    return {name: now[name], **changed} if changed else None


class Client:
    """One open stream: what it watches and what waits to be sent."""

    def __init__(self, principal: Principal, stays: Callable[[], bool]) -> None:
        self.sid = secrets.token_urlsafe(9)
        self.principal = principal
        self.stays = stays
        self.watching: dict[str, Question] = {}
        self.at_revision: dict[str, int] = {}
        self.gaps: dict[str, tuple[str, int | None]] = {}
        self.closing: str | None = None
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._arrival = asyncio.Event()

    def send(self, frame: bytes) -> None:
        """Queue a frame; over the bound everything waiting is dropped and every subscription gets a gap."""
        if self._frames and (len(self._frames) >= MAX_FRAMES or self._bytes + len(frame) > MAX_BYTES):
            missed = len(self._frames) + 1
            self._frames.clear()
            self._bytes = 0
            self.at_revision.clear()
            self.gaps = {sub: ("slow", missed) for sub in self.watching}
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        self._arrival.set()

    def watch(self, sub: str, question: Question) -> None:
        """Add a subscription, or replace the one of the same name."""
        self.watching[sub] = question
        self.at_revision.pop(sub, None)
        self.gaps.pop(sub, None)

    def forget(self, sub: str) -> None:
        """End a subscription."""
        self.watching.pop(sub, None)
        self.at_revision.pop(sub, None)
        self.gaps.pop(sub, None)

    def close(self, reason: str) -> None:
        """Say goodbye after what is queued."""
        if self.closing is None:
            self.closing = reason
            self._frames.append(frame_of("bye", encode({"reason": reason})))
            self._arrival.set()

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """The frames, as they come, until the stream is closed."""
        while True:
            while self._frames:
                frame = self._frames.popleft()
                self._bytes = max(0, self._bytes - len(frame))
                yield frame
            if self.closing is not None:
                return
            self._arrival.clear()
            await self._arrival.wait()


def frame_of(event: str, data: bytes, id: str | None = None) -> bytes:
    """One SSE frame; JSON has no raw line ends, so the data is one line."""
    head = f"id: {id}\nevent: {event}\ndata: " if id else f"event: {event}\ndata: "
    return head.encode() + data + b"\n\n"


class Feed:
    """The streams of one admin app."""

    def __init__(self, fanout: Fanout, settings: AdminSettings, clock: Clock, epoch: str, payloads: Payloads) -> None:
        self._fanout = fanout
        self._settings = settings
        self._clock = clock
        self._epoch = epoch
        self._payloads = payloads
        self._revision = 0
        self._clients: dict[str, Client] = {}
        self._views: dict[str, View] = {}
        self._others: dict[object, Callable[[], None]] = {}
        self._ticker: asyncio.Task[None] | None = None
        self._soon = asyncio.Event()
        self._told_at = 0.0
        self._interval_s = settings.tick_s
        """until the next tick; as set, unless there are very many actors"""
        self._took_s = 0.0
        self.gaps = 0
        self._closed = False

    @property
    def clients(self) -> int:
        """How many streams are open."""
        return len(self._clients) + len(self._others)

    def open(
        self,
        asked: Sequence[Subscribe],
        principal: Principal,
        last_event_id: str | None,
        stays: Callable[[], bool] = lambda: True,
    ) -> Client:
        """Open a stream.

        Args:
            asked: what it shows.
            principal: whose it is.
            last_event_id: the last frame of an earlier one that it continues.
            stays: asked at each tick whether the principal's credentials still hold; the stream ends when not.

        Raises:
            ProblemError: too many streams or subscriptions, or a subscription that cannot be answered.
        """
        self._check_room()
        client = Client(principal, stays)
        self._watch(client, asked)
        client.send(f"retry: {RETRY_MS}\n\n".encode())
        client.send(frame_of("hello", encode(self._hello(client))))
        if last_event_id:
            self._resume(client, last_event_id)
        self._clients[client.sid] = client
        self._start()
        return client

    def change(self, sid: str, change: Change, principal: Principal) -> None:
        """Change the subscriptions of an open stream.

        Raises:
            ProblemError: no such stream of this principal, or a subscription that cannot be answered.
        """
        client = self._clients.get(sid)
        if client is None or client.principal.name != principal.name:
            raise ProblemError("stream-not-found", "no open stream of yours has this id")
        for sub in change.remove:
            client.forget(sub)
        self._watch(client, change.add)
        self._soon.set()

    def leave(self, client: Client) -> None:
        """A client is gone; with the last one all work ends."""
        self._clients.pop(client.sid, None)

    def occupy(self, end: Callable[[], None] = lambda: None) -> Callable[[], None]:
        """Count a stream of another kind among the streams.

        Args:
            end: called when all streams are to end.

        Returns:
            What is to be called when the stream is over.

        Raises:
            ProblemError: too many streams.
        """
        self._check_room()
        key = object()
        self._others[key] = end
        return lambda: self._others.pop(key, lambda: None)()

    async def close(self) -> None:
        """Say goodbye to every client and end the ticking."""
        self._closed = True
        for client in list(self._clients.values()):
            client.close("shutdown")
        for end in list(self._others.values()):
            end()
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
            self._ticker = None

    def _check_room(self) -> None:
        if self._closed:
            raise ProblemError("system-stopped", "this node is shutting down")
        if self.clients >= self._settings.streams:
            limit = self._settings.streams
            raise ProblemError("too-many-streams", f"{limit} streams are open", headers={"retry-after": "5"})

    def _watch(self, client: Client, asked: Sequence[Subscribe]) -> None:
        operator = self._payloads.may_see(client.principal)
        questions = [(one.sub, Question.of(one, operator=operator)) for one in asked]
        if len({*client.watching, *(sub for sub, _ in questions)}) > MAX_SUBSCRIPTIONS:
            raise ProblemError("bad-filter", f"a stream has at most {MAX_SUBSCRIPTIONS} subscriptions")
        for sub, question in questions:
            client.watch(sub, question)

    def _hello(self, client: Client) -> dict[str, Any]:
        return {
            "sid": client.sid,
            "epoch": self._epoch,
            "tick_s": self._interval_s,
            "node": self._fanout.here,
            "role": client.principal.role,
            "at": timestamp(self._clock.wall()),
        }

    def _resume(self, client: Client, last_event_id: str) -> None:
        epoch, _, revision = last_event_id.partition(".")
        known = epoch == self._epoch and revision.isdecimal() and len(revision) < 16
        for sub, question in client.watching.items():
            view = self._views.get(question.key)
            if known and view is not None and view.revision and view.revision <= int(revision):
                client.at_revision[sub] = view.revision
            else:
                client.gaps[sub] = ("resume" if epoch == self._epoch else "restart", None)

    def _start(self) -> None:
        self._soon.set()
        if self._ticker is None or self._ticker.done():
            self._ticker = asyncio.get_running_loop().create_task(self._run(), name="pulsing-admin-feed")

    async def _run(self) -> None:
        while self._clients:
            self._soon.clear()
            self._end_those_logged_out()
            try:
                await self._tick()
            except Exception:
                logger.exception("a tick of the stream failed")
            await self._rest()
        self._views.clear()

    def _end_those_logged_out(self) -> None:
        for client in list(self._clients.values()):
            if not client.stays():
                client.close("session")

    async def _rest(self) -> None:
        """Wait for the next tick, or until somebody asks for something else."""
        until = self._clock.monotonic() + self._interval_s
        while self._clients and (left := until - self._clock.monotonic()) > 0:
            try:
                await asyncio.wait_for(self._soon.wait(), min(left, TICK_EVERY_S))
            except asyncio.TimeoutError:
                self._tell_time()
            else:
                # Changes that come in quick succession (scrolling) are answered together.
                await asyncio.sleep(0.02)
                return

    async def _tick(self) -> None:
        questions = {q.key: q for client in self._clients.values() for q in client.watching.values()}
        self._drop_unwatched(questions)
        views = [self._views.setdefault(key, View(question)) for key, question in questions.items()]
        self._revision += 1
        began = self._clock.monotonic()
        sources = Sources(self._fanout)
        await asyncio.gather(*(self._refresh(view, sources) for view in views))
        for client in list(self._clients.values()):
            self._show(client, questions)
        self._took_s = self._clock.monotonic() - began
        self._interval_s = interval_s(self._settings.tick_s, self._took_s, self._fanout.actors)
        self._tell_time()

    def _drop_unwatched(self, questions: Mapping[str, Question]) -> None:
        # Kept for as long as a client may come back and continue where it was.
        now = self._clock.monotonic()
        for key, view in list(self._views.items()):
            if key in questions:
                view.unwatched_since = None
            elif view.unwatched_since is None:
                view.unwatched_since = now
            elif now - view.unwatched_since > RESUME_S:
                del self._views[key]

    async def _refresh(self, view: View, sources: Sources) -> None:
        try:
            rows, total, filtered, answers = await sources.answer(view.question)
            view.problem = None
        except ProblemError as problem:
            view.problem = problem
        except PulsingError as error:
            view.problem = ProblemError("unavailable", str(error))
        else:
            view.advance(rows, total, filtered, answers, self._revision)

    def _show(self, client: Client, answered: Mapping[str, Question]) -> None:
        for sub, question in list(client.watching.items()):
            # What was asked for during this tick waits for the next: the view kept of it may be a minute old.
            if question.key not in answered:
                continue
            view = self._views[question.key]
            if view.problem is not None:
                client.send(frame_of("error", encode({"sub": sub, "problem": view.problem.body()})))
                client.forget(sub)
            else:
                self._show_rows(client, sub, view)

    def _show_rows(self, client: Client, sub: str, view: View) -> None:
        known = client.at_revision.get(sub)
        if known == view.revision:
            return
        if known is not None and known == view.base and view.delta is not None:
            self._send(client, "append" if view.appended else "delta", sub, view.delta, view.revision)
        else:
            self._announce_gap(client, sub)
            self._send(client, "snapshot", sub, view.snapshot(), view.revision)
        client.at_revision[sub] = view.revision

    def _announce_gap(self, client: Client, sub: str) -> None:
        gap = client.gaps.pop(sub, None)
        if gap is not None:
            self.gaps += 1
            reason, missed = gap
            client.send(frame_of("gap", encode({"sub": sub, "reason": reason, "missed": missed})))

    def _send(self, client: Client, event: str, sub: str, members: bytes, revision: int) -> None:
        data = b'{"sub":' + encode(sub) + b"," + members + b"}"
        client.send(frame_of(event, data, f"{self._epoch}.{revision}"))

    def _tell_time(self) -> None:
        now = self._clock.monotonic()
        if now - self._told_at < min(TICK_EVERY_S, max(1.0, self._settings.tick_s)):
            return
        self._told_at = now
        frame = frame_of("tick", encode(self._time()))
        for client in self._clients.values():
            client.send(frame)

    def _time(self) -> dict[str, Any]:
        return {
            "at": timestamp(self._clock.wall()),
            "lag_s": round(self._took_s, 4),
            "tick_s": round(self._interval_s, 2),
        }


def interval_s(tick_s: float, took_s: float, actors: int) -> float:
    """Seconds until the next tick: longer where many actors are walked over, so that the loop is left to them."""
    return tick_s if actors <= MANY_ACTORS else max(tick_s, took_s * WALK_SHARE)
