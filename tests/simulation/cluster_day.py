"""A long day of a small cluster in virtual time: `python -m tests.simulation.cluster_day [--hours N] [--seed N]`.

Something changes every minute, and a minute later everybody must know it; nobody who lives may be called dead; and what
the machines hold must not grow. Prints a line an hour, and ends with exit code 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import copyreg
import io
import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType

from pulsing.cluster.events import MemberChanged
from pulsing.cluster.profile import LAN, Profile
from tests.campaigns.noted import note
from tests.simulation.cluster_scenario import SHORT_FREEZE_S, Violation
from tests.simulation.cluster_world import Node, World, address_of

SIZE = 5
VETERANS = 2
"""Hosts that are never ended, so that whatever grows has the whole day for it."""
NAMES = 5
MINUTE_S = 60.0
FORGETFUL = replace(LAN, tombstone_age=600.0, tombstone_told=120.0)
"""Those that are gone are forgotten so soon that whatever grows all the same is seen within hours."""
LEVEL_AFTER = 2
"""How many stretches a machine has to reach its size."""
GROWTH = 1.5
"""How much more than in the first stretches a machine may hold: the number of nodes and names goes up and down."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What some minutes ended with."""

    number: int
    changes: int
    state_bytes: int
    """What the largest machine of a veteran takes, written down."""
    gone: int
    """Members that it remembers although they are gone."""
    messages: int
    """What all nodes sent in these minutes."""


class Day:
    """One day.

    Args:
        seed: of all chance.
        profile: how patient the machines are, and how long they remember the dead.
    """

    def __init__(self, seed: int, profile: Profile = FORGETFUL) -> None:
        self.world = World(SIZE, seed, profile)
        self._seed = seed
        self._random = Random(seed)
        self._changes = 0
        self.world.on_change.append(self._check_change)

    def stretches(self, count: int, minutes: int) -> Iterator[Stretch]:
        """Live through so many stretches of so many minutes, with all promises checked every minute.

        Raises:
            Violation: one was broken.
        """
        held: list[int] = []
        for host in range(SIZE):
            self.world.start(host, self._seeds)
        self.world.run_until(MINUTE_S)
        for number in range(1, count + 1):
            before = self.world.sent
            for _ in range(minutes):
                self._change()
                self.world.run_until(self.world.now + MINUTE_S)
                self._check_views()
            veterans = [self.world.by_host[host] for host in range(VETERANS)]
            largest = max(veterans, key=_state_bytes)
            gone = sum(not member.is_present for member in largest.protocol.membership.members())
            held.append(_state_bytes(largest))
            if number > LEVEL_AFTER and held[-1] > GROWTH * max(held[:LEVEL_AFTER]):
                raise Violation(f"seed {self._seed}: what a machine holds grows, in bytes: {held}")
            yield Stretch(number, self._changes, held[-1], gone, self.world.sent - before)

    @property
    def _seeds(self) -> tuple[str, ...]:
        return tuple(address_of(host) for host in range(SIZE))

    def _change(self) -> None:
        self._changes += 1
        down = [host for host in range(SIZE) if host not in self.world.by_host]
        if down and self._random.random() < 0.5:
            self.world.start(self._random.choice(down), self._seeds)
            return
        mortals = [node for node in self.world.running() if node.host >= VETERANS]
        anybody = self._random.choice(self.world.running())
        kind = self._random.choice(["kill", "silence", "leave", "freeze", "jump", "rename", "rename"])
        if kind == "rename" or not mortals:
            self._rename(anybody)
        elif kind == "freeze":
            self.world.freeze(anybody, self._random.uniform(0.1, SHORT_FREEZE_S))
        elif kind == "jump":
            self.world.jump(anybody, self._random.uniform(0.1, SHORT_FREEZE_S))
        elif kind == "leave":
            self.world.leave(self._random.choice(mortals))
        else:
            self.world.kill(self._random.choice(mortals), silently=kind == "silence")

    def _rename(self, node: Node) -> None:
        path = f"actors/{self._random.randrange(NAMES)}"
        if path in node.names:
            self.world.withdraw(node, path)
        else:
            self.world.publish(node, path)

    def _check_change(self, observer: Node, change: MemberChanged) -> None:
        about = self.world.by_id[change.after.node_id]
        if about.is_up and change.after.status == "dead":
            raise Violation(f"at {self.world.now:.0f} s: host {observer.host} calls the living host {about.host} dead")

    def _check_views(self) -> None:
        truth = {node.member_id: node.names for node in self.world.by_host.values()}
        for node in self.world.running():
            present = [m.node_id for m in node.protocol.membership.members() if m.is_present]
            seen = {node_id: node.protocol.names.names_of(node_id) for node_id in present}
            if seen != truth:
                raise Violation(f"at {self.world.now:.3f} s: host {node.host} sees {seen}, not {truth}")


def _state_bytes(node: Node) -> int:
    written = io.BytesIO()
    pickler = pickle.Pickler(written, protocol=5)
    pickler.dispatch_table = copyreg.dispatch_table | {MappingProxyType: lambda proxy: (dict, (dict(proxy),))}
    pickler.dump(node.protocol)
    return written.tell()


def main() -> int:
    """Live the day; returns the exit code."""
    parser = argparse.ArgumentParser(description="Simulate a long day of a small cluster.")
    parser.add_argument("--hours", type=int, default=24, help="how long it is")
    parser.add_argument("--seed", type=int, default=0, help="of all chance")
    chosen = parser.parse_args()
    try:
        for hour in Day(chosen.seed).stretches(chosen.hours, 60):
            print(hour, flush=True)
            note(hours=hour.number, changes=hour.changes, bytes_held=hour.state_bytes)
    except Violation as violation:
        print(violation, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
