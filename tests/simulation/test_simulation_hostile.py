"""A member that holds a valid secret and lies: about the others, their names, itself, and members that never were."""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random

import pytest

from pulsing.cluster.events import MemberChanged, Received
from pulsing.cluster.member import Member, Status
from pulsing.cluster.messages import Delta, Gossip, Message, Ping, Pull, Rumour, Sync, Versions
from pulsing.cluster.names import Change, Entry
from pulsing.cluster.profile import LAN
from tests.simulation.cluster_world import Node, World, address_of

HONEST = 5
LIAR = HONEST
"""The host of the liar."""
LIES_EVERY_S = 0.5
LIES_FOR_S = 15.0
SEEDS = int(os.environ.get("PULSING_LIARS", "10"))


class Liar:
    """Sends well-formed lies to everybody, twice a second."""

    def __init__(self, world: World, node: Node) -> None:
        self._world = world
        self._node = node
        self._random = Random(world.random.getrandbits(64))

    def lie_until(self, end: float) -> None:
        """Go on lying until then."""
        if self._world.now >= end:
            return
        for target in self._world.running():
            if target is not self._node:
                self._world.feed(target, Received(self._node.member_id, self._lie(target)))
        self._world.at(self._world.now + LIES_EVERY_S, lambda: self.lie_until(end))

    def _lie(self, target: Node) -> Message:
        rumours = tuple(self._random.choice([*[self._slander] * 9, self._invention])(target) for _ in range(12))
        about = self._random.choice(self._world.running())
        messages: list[Message] = [
            Gossip(rumours),
            Sync(rumours, self._random.random() < 0.5),
            Ping(1, 0, rumours[0]),
            self._boast(target, about),
            self._forgery(target, about),
            Pull(about.member_id, 0),
        ]
        return self._random.choice(messages)

    def _boast(self, target: Node, about: Node) -> Versions:
        """Somebody's names are said to have a version that they never had, or could not have."""
        held = target.protocol.names.version_of(about.member_id)
        return Versions(((about.member_id, held + self._random.choice([1, 7, 10**6, 2**60])),))

    def _forgery(self, target: Node, about: Node) -> Delta:
        """Names that somebody does not have, as the answer to a question that may have been asked."""
        held = target.protocol.names.version_of(about.member_id)
        upto = held + self._random.choice([1, 7, 10**6, 2**60])
        change = Change(upto, f"actors/false-{self._random.randint(0, 9)}", Entry(1, "False", "nowhere"))
        return Delta(about.member_id, held, upto, self._random.random() < 0.2, True, (change,))

    def _slander(self, target: Node) -> Rumour:
        """Somebody is said to be gone, now or at an incarnation that only it could have reached."""
        about = self._random.choice(self._world.running())
        held = target.protocol.membership.member(about.member_id)
        record = held or Member(about.member_id, about.addr)
        statuses: list[Status] = ["suspect", "dead", "left", "leaving"]
        leap = self._random.choice([0, 0, 1, 2**40])
        said = replace(record, status=self._random.choice(statuses), incarnation=record.incarnation + leap)
        return Rumour(said, self._random.choice([self._node.member_id, about.member_id]), self._random.random() < 0.3)

    def _invention(self, target: Node) -> Rumour:
        """Somebody who never was is said to be there, on a host that refuses."""
        member = Member(self._random.getrandbits(64) | 1, address_of(200), incarnation=self._random.getrandbits(8))
        return Rumour(member, member.node_id)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_honest_nodes_keep_each_other_and_their_memory_while_one_lies(seed: int) -> None:
    world = World(HONEST + 1, seed)
    for host in range(HONEST + 1):
        world.start(host, (address_of(0),))
    world.run_until(10.0)
    honest = [world.by_host[host] for host in range(HONEST)]
    for node in honest:
        world.publish(node, f"actors/worker-{node.host}")
    ids = {node.member_id for node in honest}

    def nobody_falls(observer: Node, change: MemberChanged) -> None:
        if observer in honest and change.after.node_id in ids:
            assert change.after.is_present, f"host {observer.host} believed a lie"

    world.on_change.append(nobody_falls)
    Liar(world, world.by_host[LIAR]).lie_until(world.now + LIES_FOR_S)
    for _ in range(int(LIES_FOR_S)):
        world.run_until(world.now + 1.0)
        for node in honest:
            for other in honest:
                assert node.protocol.names.names_of(other.member_id) == other.names
    for node in honest:
        assert len(node.protocol.membership.members()) <= LAN.max_known + 1
    world.kill(world.by_host[LIAR])
    world.run_until(world.now + 30.0)
    for node in honest:
        present = {m.node_id for m in node.protocol.membership.members() if m.status == "alive"}
        assert present == ids
        for other in honest:
            assert node.protocol.names.names_of(other.member_id) == other.names
