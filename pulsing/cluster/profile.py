"""How patient a cluster is: the intervals and limits of failure detection, and the formulas over them.

The values of `LAN` are memberlist's for a local network (https://github.com/hashicorp/memberlist), with push-pull
every 5 s in place of 30 s, which is what heals a partition in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, log10


@dataclass(frozen=True, slots=True)
class Profile:
    """Constants of failure detection; times in seconds."""

    probe_interval: float = 1.0
    probe_timeout: float = 0.5
    indirect_probes: int = 3
    nack_after: float = 0.8
    """Share of the probe timeout after which a helper says that it got no answer either."""
    suspicion_factor: float = 4.0
    suspicion_max_factor: float = 6.0
    suspicion_grace: float = 0.2
    """What a refutation needs to arrive: a node that was frozen for just the minimum of a small cluster must be able to
    speak. In a larger one the minimum is longer anyway."""
    max_health: int = 7
    gossip_interval: float = 0.2
    gossip_nodes: int = 3
    gossip_rumours: int = 12
    retransmit_factor: int = 4
    sync_interval: float = 5.0
    sync_jitter: float = 0.1
    dead_sync_share: float = 0.25
    """Share of push-pulls that go to a dead member; an answer ends a partition without seeds."""
    flap_deaths: int = 3
    flap_window: float = 60.0
    flap_probation: float = 10.0
    leave_timeout: float = 1.0
    tombstone_age: float = 24 * 3600.0
    tombstone_told: float = 3600.0
    """For how long push-pulls speak of one that is gone. Much shorter than its memory lasts: who has forgotten it would
    else hear of it from one who is about to, and so on for ever."""
    tombstones: int = 1024
    max_members: int = 1024
    max_known: int = 4096
    """Members and tombstones together, whatever a peer makes up."""

    def suspicion_minimum(self, size: int) -> float:
        """The least time from the first accusation to the verdict, in a cluster of `size` nodes, without the grace."""
        return self.suspicion_factor * max(1.0, log10(max(1, size))) * self.probe_interval

    def grace(self, size: int) -> float:
        """What is added to it in a cluster of `size` nodes."""
        return max(0.0, self.suspicion_grace - (self.suspicion_minimum(size) - self.suspicion_minimum(1)))

    def suspicion_timeout(self, size: int, confirmations: int, possible: int) -> float:
        """The time from the first accusation to the verdict (Lifeguard).

        Args:
            size: members of the cluster, the suspect included.
            confirmations: accusers beside the first.
            possible: confirmations that there could be at most; two make a suspicion as short as it gets.
        """
        wanted = min(2, possible)
        least = self.suspicion_minimum(size)
        if confirmations >= wanted:
            return least + self.grace(size)
        most = least * self.suspicion_max_factor
        shrunk = most - (most - least) * log(confirmations + 1) / log(wanted + 1)
        return max(least, shrunk) + self.grace(size)

    def retransmissions(self, size: int) -> int:
        """How many times one node passes a rumour on."""
        return self.retransmit_factor * ceil(log10(size + 1))


LAN = Profile()
FAST = Profile(probe_interval=0.5, probe_timeout=0.25, suspicion_factor=3.0, suspicion_max_factor=4.0)
"""Sees a silent death in about 3 s, at the price that a node frozen for 3 s is declared dead."""

PROFILES = {"lan": LAN, "fast": FAST}
