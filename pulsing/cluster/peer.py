"""What this node holds about one other member: the member's record, and what was observed of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pulsing.cluster.allowance import Allowance
from pulsing.cluster.member import Member, Status
from pulsing.cluster.messages import Rumour
from pulsing.cluster.probation import Probation
from pulsing.cluster.suspicion import Suspicion

HISTORY = 20
ANSWERS_PER_S, MOST_ANSWERS = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a member's status as this node saw it."""

    at: float
    before: Status | None
    after: Status
    by: int


@dataclass(slots=True)
class Peer:
    """One other member, as this node sees it."""

    member: Member
    since: float
    """When the status began."""
    heard_at: float | None = None
    view: int | None = None
    """Fingerprint of its view of the cluster, from its last ping or ack."""
    lag_ms: int | None = None
    """How late the loop of its actors is, from its last ack."""
    suspicion: Suspicion | None = None
    refused: bool = False
    """Its host refused our dial, and nothing was heard of it since."""
    blamers: set[int] = field(default_factory=set)
    """Others who call it dead, or were refused by its host."""
    allegations: dict[int, float] = field(default_factory=dict)
    """Words of others that it is dead, by accuser, while it gets the chance to answer us."""
    answer_by: float | None = None
    """When our silence about a suspect of others turns into an accusation of our own."""
    told_at: float = float("-inf")
    """When it was last told what is said about it."""
    checked_at: float = float("-inf")
    """When its host was last asked whether it is dead, as somebody says."""
    owed: Allowance = field(default_factory=lambda: Allowance(ANSWERS_PER_S, MOST_ANSWERS))
    """How often it may be sent everything that is held here."""
    ended: bool = False
    """Dead beyond doubt: its host refuses connections, or another process lives there. Else it may be cut off."""
    deaths: list[float] = field(default_factory=list)
    probation: Probation | None = None
    history: deque[Transition] = field(default_factory=lambda: deque(maxlen=HISTORY))

    @property
    def is_trusted(self) -> bool:
        """Whether its word about others can be expected."""
        return self.member.is_present and self.suspicion is None and not self.refused

    @property
    def is_accused(self) -> bool:
        """Whether something is due about it: a verdict, an answer, or the end of a probation."""
        return bool(self.suspicion or self.probation or self.allegations or self.answer_by is not None)

    @property
    def must_refute(self) -> bool:
        """Whether it lives, but is held for a suspect or dead here, and can change that only by its own word."""
        return self.suspicion is not None or (self.member.status == "dead" and self.probation is None)

    def hear(self, now: float) -> None:
        """Take a sign of life."""
        self.heard_at = now
        self.refused = False
        self.answer_by = None
        self.allegations.clear()
        if self.probation is not None:
            self.probation.hear(now)

    def postpone(self, seconds: float) -> None:
        """Grant it a time in which nobody here could have heard it."""
        if self.suspicion is not None:
            self.suspicion.started_at += seconds
        if self.answer_by is not None:
            self.answer_by += seconds
        self.allegations = {by: at + seconds for by, at in self.allegations.items()}

    def acquit(self) -> None:
        """Drop all accusations."""
        self.suspicion = None
        self.refused = False
        self.answer_by = None
        self.blamers.clear()
        self.allegations.clear()

    def rumour(self) -> Rumour:
        """What this node would say about it."""
        if self.suspicion is None:
            return Rumour(self.member, self.member.node_id)
        by, refused = next(iter(self.suspicion.accusers.items()))
        return Rumour(self.member.with_status("suspect"), by, refused)
