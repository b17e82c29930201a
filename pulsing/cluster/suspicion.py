"""How long an accused member has to refute: long on one voice, short when others confirm it independently."""

from __future__ import annotations

from pulsing.cluster.profile import Profile


class Suspicion:
    """The case against one member, open from the first accusation to a refutation or the verdict."""

    __slots__ = ("accusers", "started_at")

    def __init__(self, accuser: int, now: float, *, refused: bool = False) -> None:
        self.started_at = now
        self.accusers = {accuser: refused}
        """Who accuses it, and whether the member's host refused them."""

    def confirm(self, accuser: int, *, refused: bool = False) -> bool:
        """Count an accuser; returns whether this is news: a new one, or one who now was refused as well."""
        is_news = accuser not in self.accusers or (refused and not self.accusers[accuser])
        self.accusers[accuser] = refused or self.accusers.get(accuser, False)
        return is_news

    def verdict_at(self, profile: Profile, size: int, witnesses: int) -> float:
        """When the member is declared dead unless it refutes.

        Args:
            profile: the constants.
            size: members of the cluster, the suspect included.
            witnesses: members that could still confirm. Nobody waits for the word of those who are suspects too.
        """
        confirmations = len(self.accusers) - 1
        return self.started_at + profile.suspicion_timeout(size, confirmations, confirmations + witnesses)
