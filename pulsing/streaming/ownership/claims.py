"""How a node comes to own a bucket whose records only its owner has: the other members must agree.

An epoch is one above the last if all members gave it, dead ones too unless they are known to have ended. Where somebody
did not answer, he may be giving the same one to another claimant behind a cut: then it is drawn so high that nobody
else draws it. So it is too where one of those asked was told of a seed that has been silent ever since: whoever lives
there may have had the bucket for long. So no epoch has two owners. And a bucket is given only by the majority of those
by whom this side is measured, each of whom is on a side that goes on and does not hear from the old owner: two owners
at a time are rare.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from pulsing.core.system import System
from pulsing.exceptions import ActorNotFound, NotOwner, PulsingRuntimeError
from pulsing.streaming.ownership.catalogue import NOBODY, Catalogue, bucket_key
from pulsing.streaming.ownership.exchange import Ask, Exchange
from pulsing.streaming.ownership.side import Side
from pulsing.streaming.ownership.votes import Votes

ANSWER_TIMEOUT_S = 2.0
SILENCE_S = 0.5
"""How long others may take once those who agree are enough: a call to a busy node takes a small part of it."""
PATIENCE_S = 3.0
"""How long a claim is repeated while others still hear from the old owner: a death gets around within about 1 s."""
PAUSE_S = 0.1
LEAP_BITS = 32
"""Epochs that nobody else draws stay far below 2**53, so that every store and browser can count them."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What is asked for."""

    topic: str
    bucket_id: int
    given_by: int = NOBODY
    """the owner that leaves and gives the bucket away, if it does"""
    by_majority: bool = True

    @property
    def key(self) -> str:
        return bucket_key(self.topic, self.bucket_id)


@dataclass(frozen=True, slots=True)
class Answer:
    """What another member says to a claim."""

    granted: bool
    lacks_members: bool = False
    """whether there may be nodes that neither it nor the claimant knows"""


Answers = Mapping[int, "Answer | None"]
"""By the member's id; None from those who do not answer."""


class Claims:
    """The claims and the votes of one node.

    Args:
        inner: the node.
        catalogue: what it knows.
        exchange: the other managers.
        side: of a partition.
        ask: calls another manager.
    """

    def __init__(self, inner: System, catalogue: Catalogue, exchange: Exchange, side: Side, ask: Ask) -> None:
        self._inner = inner
        self._catalogue = catalogue
        self._exchange = exchange
        self._side = side
        self._ask = ask
        self._votes = Votes()
        self._me = inner.node_id.id

    # --- claiming ----------------------------------------------------------------------------------------------------

    async def win(self, claim: Claim) -> int | None:
        """Claim a bucket; returns the epoch to take it with, or None if another node has got it meanwhile.

        Raises:
            NotOwner: the others do not agree.
        """
        before = self._catalogue.holding(claim.key)
        deadline = self._inner.now() + PATIENCE_S
        while True:
            epoch = await self._round(claim)
            is_taken = self._catalogue.holding(claim.key) != before
            if epoch is not None and not is_taken:
                return epoch
            if is_taken or self._inner.now() >= deadline:
                self._withdraw(claim)
            if is_taken:
                return None
            if self._inner.now() >= deadline:
                raise self._refused(claim)
            await asyncio.sleep(PAUSE_S * self._inner.random.uniform(0.5, 1.5))

    async def _round(self, claim: Claim) -> int | None:
        """Ask everybody once; returns the epoch that was won."""
        holding = self._catalogue.holding(claim.key)
        epoch = max(holding.epoch, self._votes.promised(claim.key)) + 1
        if not self.grant(claim, epoch, self._me):
            return None
        everybody = self._exchange.not_ended()
        answers = await self._votes_of_others(claim, epoch)
        if claim.by_majority:
            if not self._are_enough(answers):
                return None
        elif any(answer is not None and not answer.granted for answer in answers.values()):
            return None
        lacks_members = any(answer is not None and answer.lacks_members for answer in answers.values())
        if everybody <= self._agreeing(answers) and not lacks_members and not self._inner.may_lack_members():
            return epoch
        return epoch + 1 + self._inner.random.getrandbits(LEAP_BITS)

    async def _votes_of_others(self, claim: Claim, epoch: int) -> Answers:
        """What the others say; where those who agree are enough, the silent ones are given a moment only."""
        others = [node_id for node_id in self._exchange.holding() if node_id != self._me]
        votes = {
            node_id: self._inner.tasks.start(self._vote_of(node_id, claim, epoch), f"vote of {node_id:016x}")
            for node_id in others
        }
        answers: dict[int, Answer | None] = {}
        while len(answers) < len(votes):
            patience = SILENCE_S if claim.by_majority and self._are_enough(answers) else None
            waiting = [vote for node_id, vote in votes.items() if node_id not in answers]
            done, _ = await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            answers |= {node_id: vote.result() for node_id, vote in votes.items() if vote.done()}
        return answers

    def _are_enough(self, answers: Answers) -> bool:
        return self._side.goes_on_with(self._agreeing(answers))

    def _agreeing(self, answers: Answers) -> set[int]:
        granted = {node_id for node_id, answer in answers.items() if answer is not None and answer.granted}
        return granted | {self._me}

    async def _vote_of(self, node_id: int, claim: Claim, epoch: int) -> Answer | None:
        """Whether a member agrees; None if it does not answer."""
        call = (claim.topic, claim.bucket_id, epoch, str(self._me), str(claim.given_by), claim.by_majority)
        try:
            granted, lacks_members, holding = await self._ask(node_id, "grant_bucket", *call, timeout=ANSWER_TIMEOUT_S)
        except ActorNotFound:
            return Answer(granted=True)  # it has no manager, and so claims nothing
        except (PulsingRuntimeError, OSError):
            return None
        self._catalogue.merge({"queues": {}, "holdings": {claim.key: holding} if holding[0] else {}})
        return Answer(granted, lacks_members)

    def _withdraw(self, claim: Claim) -> None:
        self.withdraw(claim.key, self._me)
        self._inner.tasks.start(self._tell_withdrawal(claim), f"withdraw a claim of {claim.key}")

    async def _tell_withdrawal(self, claim: Claim) -> None:
        others = [node_id for node_id in self._exchange.holding() if node_id != self._me]
        call = (claim.topic, claim.bucket_id, str(self._me))
        asked = (self._ask(node_id, "withdraw_claim", *call, timeout=ANSWER_TIMEOUT_S) for node_id in others)
        await asyncio.gather(*asked, return_exceptions=True)

    def _refused(self, claim: Claim) -> NotOwner:
        resource = f"bucket {claim.bucket_id} of {claim.topic}"
        epoch = self._catalogue.holding(claim.key).epoch
        text = f"{resource}: too few of the other members agree that this node takes it over"
        return NotOwner(resource, None, epoch, text)

    # --- voting ------------------------------------------------------------------------------------------------------

    def grant(self, claim: Claim, epoch: int, claimant: int) -> bool:
        """Whether this node agrees to a claim; if so it agrees to no other one of that epoch."""
        holding = self._catalogue.holding(claim.key)
        self._votes.settle(claim.key, holding.epoch)
        if holding.epoch >= epoch:
            return False
        if holding.node_id not in (NOBODY, claimant, claim.given_by) and self._lives(holding.node_id):
            return False
        if claim.by_majority and claimant != self._me and not self._side.look():
            return False
        return self._votes.vote(claim.key, epoch, claimant, self._inner.now(), self._lives)

    def withdraw(self, key: str, claimant: int) -> None:
        """Hear that a claimant has given up."""
        self._votes.withdraw(key, claimant)

    def _lives(self, node_id: int) -> bool:
        return node_id in self._exchange.holding()
