"""Many production cluster machines in one virtual world: hosts, links, freezes, crashes and cuts, all from one seed.

Links behave like TCP: in order, loss is delay, a killed process resets its links and its host refuses new ones, a
host without power says nothing. Each node has a monotonic clock of its own that agrees with no other.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from random import Random

from pulsing.cluster.channel import Connected, DialFailed, LinkLost
from pulsing.cluster.events import (
    Announce,
    ClusterEffect,
    ClusterInput,
    Departed,
    Join,
    Leave,
    MemberChanged,
    Received,
    Send,
    StartLeaving,
    Tick,
)
from pulsing.cluster.member import Member
from pulsing.cluster.messages import MAX_PAYLOAD, Message, decode, encode
from pulsing.cluster.names import Entry
from pulsing.cluster.profile import LAN, Profile
from pulsing.cluster.protocol import ClusterProtocol
from pulsing.cluster.seeds import Dial

DIAL_TIMEOUT_S = 2.0
TCP_TIMEOUT_S = 10.0
RETRANSMIT_S = 0.2
LONGEST_RETRANSMIT_S = 3.2
RESET_S = 0.0015
LATENCY_S = 0.002


@dataclass(eq=False)
class Node:
    """One process."""

    host: int
    member_id: int
    protocol: ClusterProtocol
    clock_offset: float
    names: dict[str, Entry] = field(default_factory=dict)
    """What it published: the truth that every directory must reach."""
    state: str = "running"
    """running, frozen, left, killed, or dark: gone with its host."""
    inbox: list[ClusterInput] = field(default_factory=list)
    due: float | None = None
    started_at: float = 0.0
    ended_at: float = 0.0
    thawed_at: float = float("-inf")

    @property
    def addr(self) -> str:
        return address_of(self.host)

    @property
    def is_up(self) -> bool:
        return self.state in ("running", "frozen")


def address_of(host: int) -> str:
    return f"10.0.0.{host + 1}:7000"


class World:
    """Hosts 0…n-1, each with at most one living process."""

    def __init__(self, size: int, seed: int, profile: Profile = LAN) -> None:
        self.random = Random(f"{size}/{seed}")
        self.now = 0.0
        self.size = size
        self.nodes: list[Node] = []
        self.by_host: dict[int, Node] = {}
        self.by_id: dict[int, Node] = {}
        self.loss = 0.0
        self.latency = LATENCY_S
        self.cuts: dict[tuple[int, int], float] = {}
        """Directed pairs of hosts between which nothing passes, with the time of the cut."""
        self.dark: set[int] = set()
        self.sent = 0
        self.checks_encoding = seed % 10 == 0
        self.on_change: list[Callable[[Node, MemberChanged], None]] = []
        self._profile = profile
        self._links: dict[tuple[int, int], float] = {}
        """Open links by the pair of member ids, smaller first."""
        self._arrives: dict[tuple[int, int], float] = {}
        self._held: dict[tuple[int, int], list[tuple[float, Node, Node, Message]]] = {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._order = 0
        self._digest = hashlib.sha256()

    # -- acts ----------------------------------------------------------------------------------------------------------

    def start(self, host: int, seeds: tuple[str, ...]) -> Node:
        self.dark.discard(host)
        member_id = self.random.getrandbits(64) | 1
        me = Member(member_id, address_of(host), name=f"n{host}")
        protocol = ClusterProtocol(me, Random(self.random.getrandbits(64)), self._profile)
        node = Node(host, member_id, protocol, self.random.uniform(0, 1e6), started_at=self.now)
        self.nodes.append(node)
        self.by_host[host] = node
        self.by_id[member_id] = node
        self.feed(node, Join(seeds))
        return node

    def publish(self, node: Node, path: str) -> None:
        node.names[path] = Entry(node.member_id << 64 | len(node.names), "Worker", "app")
        self.feed(node, Announce(path, node.names[path]))

    def withdraw(self, node: Node, path: str) -> None:
        del node.names[path]
        self.feed(node, Announce(path, None))

    def kill(self, node: Node, *, silently: bool = False) -> None:
        """kill -9, or the power of its host fails."""
        self._end(node, "dark" if silently else "killed")
        if silently:
            self.dark.add(node.host)
        self._break_links(node, TCP_TIMEOUT_S if silently else RESET_S)

    def leave(self, node: Node) -> None:
        self.feed(node, StartLeaving())
        self.at(self.now + 0.5, lambda: self.feed(node, Leave()) if node.state == "running" else None)

    def freeze(self, node: Node, seconds: float) -> None:
        node.state = "frozen"
        self.at(self.now + seconds, lambda: self.thaw(node))

    def jump(self, node: Node, seconds: float) -> None:
        """Let a node's clock leap ahead; all its timers fire early."""
        node.clock_offset += seconds
        node.due = None
        if node.state == "running":
            self._arm(node)

    def cut(self, a: int, b: int) -> None:
        self.cuts.setdefault((a, b), self.now)

    def heal(self) -> None:
        self.cuts.clear()
        held, self._held = self._held, {}
        for messages in held.values():
            for sent_at, source, target, message in messages:
                # What was under way is sent again by the kernel, as long as its host has power.
                if self.now - sent_at < TCP_TIMEOUT_S and source.state != "dark":
                    waits = self.random.uniform(0.0, min(self.now - sent_at, LONGEST_RETRANSMIT_S))
                    self._deliver(source, target, message, waits)

    # -- the clockwork -------------------------------------------------------------------------------------------------

    def at(self, time: float, act: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._queue, (time, self._order, act))

    def run_until(self, time: float) -> None:
        while self._queue and self._queue[0][0] <= time:
            self.now, _, act = heapq.heappop(self._queue)
            act()
        self.now = time

    def feed(self, node: Node, event: ClusterInput) -> None:
        if node.state == "frozen":
            node.inbox.append(event)
        elif node.state == "running":
            for effect in node.protocol.handle(event, self.now + node.clock_offset):
                self._perform(node, effect)
            self._arm(node)

    def running(self) -> list[Node]:
        return [n for n in self.by_host.values() if n.state == "running"]

    def digest(self) -> str:
        """Fingerprint of all that happened so far."""
        return self._digest.hexdigest()

    def note(self, *what: object) -> None:
        self._digest.update(repr((round(self.now, 9), *what)).encode())

    def _arm(self, node: Node) -> None:
        due = node.protocol.next_deadline()
        due = None if due is None else due - node.clock_offset
        if due is None or (node.due is not None and self.now < node.due <= due):
            return
        node.due = due = max(due, self.now + 1e-6)
        self.at(due, lambda: self._tick(node, due))

    def _tick(self, node: Node, due: float) -> None:
        if node.due == due:
            if node.state == "running":
                node.due = None
            self.feed(node, Tick()) if node.state == "running" else None

    def thaw(self, node: Node) -> None:
        if node.state != "frozen":
            return
        node.state = "running"
        node.thawed_at = self.now
        node.due = None
        events, node.inbox = node.inbox, []
        events.insert(0 if self.random.random() < 0.5 else len(events), Tick())
        for event in events:
            self.feed(node, event)

    def _end(self, node: Node, state: str) -> None:
        node.state = state
        node.ended_at = self.now
        node.inbox.clear()
        if self.by_host.get(node.host) is node:
            del self.by_host[node.host]

    # -- the network ---------------------------------------------------------------------------------------------------

    def _perform(self, node: Node, effect: ClusterEffect) -> None:
        match effect:
            case Send(node_id, message):
                self._send(node, node_id, message)
            case Dial(addr):
                self._dial(node, addr)
            case MemberChanged(_, after, by):
                self.note(node.member_id, after.node_id, after.status, after.incarnation, by)
                for callback in self.on_change:
                    callback(node, effect)
            case Departed():
                self._end(node, "left")
                self._break_links(node, RESET_S)

    def _send(self, source: Node, node_id: int, message: Message) -> None:
        self.sent += 1
        if self.checks_encoding:
            payload = encode(message)
            assert len(payload) <= MAX_PAYLOAD
            message = decode(payload)
        target = self.by_id.get(node_id)
        if target is None:  # somebody made this member up
            member = source.protocol.membership.member(node_id)
            assert member is not None
            self._dial(source, member.addr)
            return
        if _pair(source, target) in self._links:
            self._transmit(source, target, message)
        else:
            meant = target
            self._dial(source, meant.addr, lambda found: self._greet(source, found, meant, message))

    def _greet(self, source: Node, found: Node, target: Node, message: Message) -> None:
        if found is target:
            self._transmit(source, target, message)

    def _transmit(self, source: Node, target: Node, message: Message) -> None:
        if (source.host, target.host) in self.cuts:
            held = self._held.setdefault((source.host, target.host), [])
            held.append((self.now, source, target, message))
        else:
            self._deliver(source, target, message)
        if self._is_cut(source, target):
            opened_at, sent_at = self._links[_pair(source, target)], self.now
            self.at(self.now + TCP_TIMEOUT_S, lambda: self._time_out(source, target, opened_at, sent_at))

    def _is_cut(self, source: Node, target: Node, since: float = inf) -> bool:
        """Whether data or their acknowledgements have been lost on the way, all the time since then."""
        ways = (source.host, target.host), (target.host, source.host)
        return any(self.cuts.get(way, inf) <= since for way in ways if way in self.cuts)

    def _time_out(self, source: Node, target: Node, opened_at: float, sent_at: float) -> None:
        """What was not acknowledged for so long ends a connection."""
        pair = _pair(source, target)
        if self._links.get(pair) != opened_at or not self._is_cut(source, target, sent_at):
            return
        del self._links[pair]
        for one, other in ((source, target), (target, source)):
            self._held.pop((one.host, other.host), None)
            self.feed(one, LinkLost(other.member_id))

    def _deliver(self, source: Node, target: Node, message: Message, waits: float = 0.0) -> None:
        way = (source.member_id, target.member_id)
        arrives = max(self._arrives.get(way, 0.0), self.now + waits + self._travel())
        self._arrives[way] = arrives
        self.at(arrives, lambda: self.feed(target, Received(source.member_id, message)))

    def _travel(self) -> float:
        delay = self.latency * self.random.uniform(0.5, 1.5)
        again = RETRANSMIT_S
        while self.loss and self.random.random() < self.loss:
            delay += again
            again = min(again * 2, LONGEST_RETRANSMIT_S)
        return delay

    def _dial(self, source: Node, addr: str, then: Callable[[Node], None] = lambda found: None) -> None:
        """Connect to whoever lives at an address: an answer within the time limit, a refusal, or silence."""
        host = int(addr.split(":")[0].rsplit(".", 1)[1]) - 1
        is_cut = (source.host, host) in self.cuts or (host, source.host) in self.cuts
        if is_cut or host in self.dark:
            self.at(self.now + DIAL_TIMEOUT_S, lambda: self.feed(source, DialFailed(addr)))
            return
        self.at(self.now + self._travel(), lambda: self._knock(source, host, then, self.now + DIAL_TIMEOUT_S))

    def _knock(self, source: Node, host: int, then: Callable[[Node], None], until: float) -> None:
        found = self.by_host.get(host)
        if found is None:
            self.at(self.now + self._travel(), lambda: self.feed(source, DialFailed(address_of(host), refused=True)))
        elif found.state == "running":
            self.at(self.now + self._travel(), lambda: self._link(source, found, then))
        elif self.now < until:
            self.at(self.now + 0.1, lambda: self._knock(source, host, then, until))
        else:
            self.feed(source, DialFailed(address_of(host)))

    def _link(self, source: Node, target: Node, then: Callable[[Node], None]) -> None:
        if not (source.is_up and target.is_up):
            return
        if source is not target:
            self._links[_pair(source, target)] = self.now
            self.feed(target, Connected(source.member_id))
        self.feed(source, Connected(target.member_id, target.addr))
        then(target)

    def _break_links(self, node: Node, after: float) -> None:
        for pair in [pair for pair in self._links if node.member_id in pair]:
            del self._links[pair]
            other = self.by_id[pair[0] if pair[1] == node.member_id else pair[1]]
            is_cut = (node.host, other.host) in self.cuts
            self.at(
                self.now + (TCP_TIMEOUT_S if is_cut else after),
                lambda other=other: self.feed(other, LinkLost(node.member_id)),  # type: ignore[misc]
            )


def _pair(a: Node, b: Node) -> tuple[int, int]:
    return (a.member_id, b.member_id) if a.member_id < b.member_id else (b.member_id, a.member_id)
