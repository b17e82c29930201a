"""What a member must do that died too often lately: answer steadily for a while, before it counts as alive again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pulsing.cluster.member import Member, wins
from pulsing.cluster.profile import Profile

STEADY_GAP_S = 2.5
"""The longest silence of a member on probation that still is steady."""


@dataclass(slots=True)
class Probation:
    """One member's time of proving itself, from its first word after a death."""

    record: Member
    """What it says of itself, to be believed when it has passed."""
    steady_since: float
    heard_at: float
    ping_at: float
    is_doubted: bool = False
    """Whether this node has begun to form an opinion of what others suspect of it, since it was last heard."""

    @classmethod
    def begin(cls, record: Member, now: float) -> Probation:
        """A probation that begins now, with a first ping at once."""
        return cls(record, now, now, now)

    def update(self, record: Member) -> bool:
        """Take a record of the member if it is newer; returns whether it is, which refutes what was said before."""
        is_newer = wins(record, self.record)
        if is_newer:
            self.record = record
            self.is_doubted = False
        return is_newer

    def hear(self, now: float) -> None:
        """Take a sign of life."""
        if now - self.heard_at > STEADY_GAP_S:
            self.steady_since = now
        self.heard_at = now
        self.is_doubted = False

    def outcome(self, profile: Profile, now: float) -> Literal["passed", "failed", "open"]:
        """Whether it has answered steadily for long enough, or has been silent for as long."""
        silence = now - self.heard_at
        if silence <= STEADY_GAP_S and now - self.steady_since >= profile.flap_probation:
            return "passed"
        return "failed" if silence > profile.flap_probation else "open"


def recent_deaths(deaths: Iterable[float], profile: Profile, now: float) -> list[float]:
    """Those of a member's deaths that still speak against it."""
    return [at for at in deaths if now - at < profile.flap_window]


def is_flapping(deaths: Iterable[float], profile: Profile, now: float) -> bool:
    """Whether a member has died too often lately to be believed alive at once."""
    return len(recent_deaths(deaths, profile, now)) >= profile.flap_deaths
