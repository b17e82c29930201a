"""Dead letters of the whole cluster: sent again, each by the node that kept it, or forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from pulsing.admin.catalogue import DEAD_LETTERS
from pulsing.admin.fanout import Fanout
from pulsing.admin.paging import ListQuery, fitting
from pulsing.admin.schemas import Input
from pulsing.clock import Clock
from pulsing.exceptions import PulsingError
from pulsing.ids import NodeId

Row = dict[str, Any]

MAX_LETTERS = 1_000
MAX_S = 60.0


class LetterFilter(Input):
    """Which dead letters are meant."""

    reason: Literal["no_actor", "stopped", "mailbox_full", "expired", "node_dead", "decode", "unauth"] | None = None
    recipient: str | None = Field(default=None, max_length=600)
    class_: str | None = Field(default=None, alias="class", max_length=500)
    node: str | None = Field(default=None, max_length=100)


class Replay(Input):
    """Which dead letters to send again, how fast, and to whom."""

    ids: list[str] = Field(default_factory=list, max_length=MAX_LETTERS)
    filter: LetterFilter | None = None
    limit: int = Field(default=100, ge=1, le=MAX_LETTERS)
    rate: float = Field(default=50.0, gt=0, le=1_000)
    to: str | None = Field(default=None, max_length=600)

    @model_validator(mode="after")
    def _one_choice(self) -> Replay:
        if bool(self.ids) == (self.filter is not None):
            raise ValueError("give ids or a filter, and not both")
        return self


class Outcome:
    """What became of the letters that were to be sent again."""

    def __init__(self, dry_run: bool) -> None:
        self._dry_run = dry_run
        self.replayed = 0
        self.failed: list[Row] = []
        self.skipped: list[Row] = []

    def skip(self, id: str, why: str) -> None:
        """Note that a letter was not tried."""
        self.skipped.append({"id": id, "why": why})

    def body(self) -> Row:
        """The answer."""
        shown = {"replayed": self.replayed, "failed": self.failed, "skipped": self.skipped}
        return {**shown, "dry_run": True} if self._dry_run else shown


class Replayer:
    """Sends the dead letters of a cluster again.

    Args:
        system: the actor system of this node.
        fanout: the way to the other nodes.
        clock: where time comes from.
    """

    def __init__(self, system: Any, fanout: Fanout, clock: Clock) -> None:
        self._system = system
        self._fanout = fanout
        self._clock = clock

    async def replay(self, order: Replay, to: str | None, *, dry_run: bool) -> Row:
        """Send letters again, oldest first, at the rate of the order.

        Args:
            order: which letters.
            to: id of the actor that gets them; None for the first recipients.
            dry_run: only say what would be done.
        """
        outcome = Outcome(dry_run)
        began = self._clock.monotonic()
        for number, id in enumerate(await self._chosen(order, outcome)):
            due = began + number / order.rate
            if not dry_run and due > began + MAX_S:
                outcome.skip(id, f"a request takes at most {MAX_S:g} s; ask again")
                continue
            if not dry_run:
                await asyncio.sleep(max(0.0, due - self._clock.monotonic()))
            await self._one(id, to, outcome, dry_run)
        return outcome.body()

    async def clear(self, timeout_s: float) -> int:
        """Forget the kept dead letters of every node that answers; returns how many there were."""
        nodes = [NodeId.from_str(node) for node in await self._fanout.nodes()]
        asked = [self._system.ask_node(node, "clear_dead_letters", timeout=timeout_s) for node in nodes]
        counts = await asyncio.gather(*asked, return_exceptions=True)
        return sum(count for count in counts if isinstance(count, int))

    async def _chosen(self, order: Replay, outcome: Outcome) -> list[str]:
        rows, answers = await DEAD_LETTERS.rows(self._fanout)
        answers.require_one()
        rows = sorted(rows, key=lambda row: str(row["at"]))
        if order.filter is not None:
            return [str(row["id"]) for row in _fitting(rows, order.filter) if row["replayable"]][: order.limit]
        known = {str(row["id"]): row for row in rows}
        for id in dict.fromkeys(order.ids):
            if id not in known:
                outcome.skip(id, "no such dead letter is kept")
            elif not known[id]["replayable"]:
                outcome.skip(id, "the message was not kept: too large, not sendable, or one of too many")
        wanted = set(order.ids)
        return [id for id, row in known.items() if id in wanted and row["replayable"]]

    async def _one(self, id: str, to: str | None, outcome: Outcome, dry_run: bool) -> None:
        node, _, number = id.rpartition("-")
        try:
            said = await self._system.ask_node(
                NodeId.from_str(node), "replay_dead_letter", int(number), to, dry_run, timeout=10.0
            )
        except (PulsingError, ValueError) as error:
            outcome.failed.append({"id": id, "why": str(error)})
            return
        if said == "replayed":
            outcome.replayed += 1
        else:
            outcome.skip(id, f"the message is {said}")


def _fitting(rows: Sequence[Row], wanted: LetterFilter) -> list[Row]:
    asked: Mapping[str, str] = wanted.model_dump(by_alias=True, exclude_none=True)
    query = ListQuery(filters={name: (value,) for name, value in asked.items()})
    return fitting(rows, query, DEAD_LETTERS.spec)
