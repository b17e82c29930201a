"""A random life of a cluster under faults, and what must be true of it after each step."""

from __future__ import annotations

from dataclasses import dataclass, field

from pulsing.cluster.events import MemberChanged
from pulsing.cluster.profile import LAN, Profile
from tests.simulation.cluster_world import LATENCY_S, Node, World, address_of

SHORT_FREEZE_S = 5.0
BOUND_S = 15.0
"""How soon a death must be seen, and views must agree after the last fault."""
EXCUSE_S = 30.0
"""For how long a serious fault may explain that somebody living was called dead."""
HEAVY_LOSS = 0.1


class Violation(AssertionError):
    """A promise was broken; says which, and how to see it again."""


@dataclass
class Scenario:
    """One seed: joins, faults for a while, then peace, with the promises checked all along."""

    size: int
    seed: int
    faults_s: float = 60.0
    settle_s: float = BOUND_S
    profile: Profile = LAN
    verbose: bool = False
    world: World = field(init=False)
    troubled_at: float = field(default=float("-inf"), init=False)
    """When a partition or heavy loss last was in force."""
    long_frozen: dict[int, float] = field(default_factory=dict, init=False)
    """Until when a node was last frozen for longer than the cluster must bear."""
    detection: list[float] = field(default_factory=list, init=False)
    died: dict[tuple[int, int], int] = field(default_factory=dict, init=False)
    """The incarnation at which an observer last saw a member die."""

    def run(self) -> Scenario:
        self.world = World(self.size, self.seed, self.profile)
        self.world.on_change.append(self._check_change)
        self._start_all()
        self.world.run_until(10.0)
        end = 10.0 + self.faults_s
        while self.world.now < end:
            self._one_fault()
            self.world.run_until(min(end, self.world.now + self.world.random.expovariate(1 / 6.0)))
            self._check_deaths_are_seen()
        self._make_peace()
        self.world.run_until(self.world.now + self.settle_s)
        self._check_deaths_are_seen()
        self._check_views_agree()
        return self

    @property
    def _seeds(self) -> tuple[str, ...]:
        """All hosts, itself among them: whoever comes back finds the others as long as one of its seeds lives."""
        return tuple(address_of(host) for host in range(self.size))

    # -- what happens ------------------------------------------------------------------------------------------------

    def _start_all(self) -> None:
        for host in range(self.size):
            self.world.run_until(self.world.now + self.world.random.uniform(0.0, 0.3))
            self.world.start(host, self._seeds)

    def _one_fault(self) -> None:
        faults = [
            self._kill,
            self._kill,
            self._restart,
            self._restart,
            self._freeze_shortly,
            self._freeze_shortly,
            self._freeze_long,
            self._partition,
            self._partition_one_way,
            self._cut_pair,
            self._cut_one_way,
            self._lose,
            self._delay,
            self._jump,
            self._leave,
            *[self._heal] * 5,
            self._rename,
            self._rename,
        ]
        self.world.random.choice(faults)()

    def _say(self, *what: object) -> None:
        self.world.note(*what)
        if self.verbose:
            print(f"{self.world.now:8.3f}", *what)

    def _some_node(self) -> Node | None:
        running = self.world.running()
        return self.world.random.choice(running) if running else None

    def _kill(self) -> None:
        node = self._some_node()
        if node is not None and len(self.world.running()) > 1:
            silently = self.world.random.random() < 0.4
            self._say("kill", node.host, "silently" if silently else "")
            self.world.kill(node, silently=silently)

    def _leave(self) -> None:
        node = self._some_node()
        if node is not None and len(self.world.running()) > 1:
            self._say("leave", node.host)
            self.world.leave(node)

    def _restart(self) -> None:
        down = [host for host in range(self.size) if host not in self.world.by_host]
        if down:
            host = self.world.random.choice(down)
            self._say("start", host)
            self.world.start(host, self._seeds)

    def _freeze_shortly(self) -> None:
        self._freeze(self.world.random.uniform(0.1, SHORT_FREEZE_S))

    def _freeze_long(self) -> None:
        self._freeze(self.world.random.uniform(SHORT_FREEZE_S, 20.0))

    def _freeze(self, seconds: float) -> None:
        node = self._some_node()
        if node is None:
            return
        self._say("freeze", node.host, seconds)
        if seconds > SHORT_FREEZE_S or self.world.now - node.thawed_at < SHORT_FREEZE_S:
            self.long_frozen[node.member_id] = self.world.now + seconds
        self.world.freeze(node, seconds)

    def _jump(self) -> None:
        """A node's clock leaps ahead, as after a pause of its whole machine that nobody else had to wait for."""
        node = self._some_node()
        if node is not None:
            seconds = self.world.random.uniform(0.1, SHORT_FREEZE_S)
            self._say("clock of", node.host, "ahead", seconds)
            self.world.jump(node, seconds)

    def _halves(self) -> tuple[list[int], list[int]]:
        hosts = list(range(self.size))
        self.world.random.shuffle(hosts)
        half = self.world.random.randint(1, max(1, self.size - 1))
        return hosts[:half], hosts[half:]

    def _partition(self) -> None:
        ones, others = self._halves()
        self._say("partition", ones, others)
        self._cut_all(ones, others)
        self._cut_all(others, ones)

    def _partition_one_way(self) -> None:
        ones, others = self._halves()
        self._say("partition", ones, "->", others)
        self._cut_all(ones, others)

    def _cut_all(self, ones: list[int], others: list[int]) -> None:
        for a in ones:
            for b in others:
                self.world.cut(a, b)

    def _cut_pair(self) -> None:
        a, b = self.world.random.sample(range(self.size), 2)
        self._say("cut", a, "<->", b)
        self.world.cut(a, b)
        self.world.cut(b, a)

    def _cut_one_way(self) -> None:
        a, b = self.world.random.sample(range(self.size), 2)
        self._say("cut", a, "->", b)
        self.world.cut(a, b)

    def _lose(self) -> None:
        self._note_trouble()
        self.world.loss = self.world.random.choice([0.0, 0.01, 0.05, 0.2])
        self._say("loss", self.world.loss)

    def _delay(self) -> None:
        self.world.latency = self.world.random.choice([LATENCY_S, 0.02, 0.1])
        self._say("latency", self.world.latency)

    def _heal(self) -> None:
        self._note_trouble()
        self._say("heal")
        self.world.loss = 0.0
        self.world.latency = LATENCY_S
        self.world.heal()

    def _rename(self) -> None:
        node = self._some_node()
        if node is None:
            return
        if node.names and self.world.random.random() < 0.4:
            self.world.withdraw(node, self.world.random.choice(sorted(node.names)))
        else:
            self.world.publish(node, f"actors/{self.world.random.randint(0, 20)}")

    def _make_peace(self) -> None:
        self._heal()
        for node in list(self.world.by_host.values()):
            if node.state == "frozen":
                self.world.thaw(node)

    # -- what must be true -------------------------------------------------------------------------------------------

    def _note_trouble(self) -> None:
        if self.world.cuts or self.world.loss >= HEAVY_LOSS:
            self.troubled_at = self.world.now

    def _is_excused(self, node: Node, within: float) -> bool:
        self._note_trouble()
        now = self.world.now
        return now - self.troubled_at < within or now - self.long_frozen.get(node.member_id, -1e9) < within

    def _check_change(self, observer: Node, change: MemberChanged) -> None:
        key = (observer.member_id, change.after.node_id)
        about = self.world.by_id[change.after.node_id]
        if self.verbose and change.before is not None:
            self._say("  ", observer.host, "sees", about.host, change.kind, change.after.incarnation, change.by)
        if not change.after.is_present and (change.before is None or change.before.is_present):
            self.died[key] = change.after.incarnation
            if about.state in ("killed", "dark"):
                self.detection.append(self.world.now - about.ended_at)
            elif about.is_up and change.after.status == "dead" and not self._is_excused(about, EXCUSE_S):
                raise self._violation(f"host {observer.host} calls host {about.host} dead, which lives")
        elif change.after.is_present and key in self.died and change.after.incarnation <= self.died[key]:
            raise self._violation(f"host {observer.host} sees {about.host} rise without a higher incarnation")

    def _check_deaths_are_seen(self) -> None:
        now = self.world.now
        for observer in self.world.running():
            if self._is_excused(observer, BOUND_S) or now - observer.started_at < BOUND_S:
                continue
            if now - observer.thawed_at < BOUND_S:
                continue
            for gone in self.world.nodes:
                member = observer.protocol.membership.member(gone.member_id)
                if not gone.is_up and now - gone.ended_at > BOUND_S and member is not None and member.is_present:
                    raise self._violation(f"host {observer.host} has not seen the end of host {gone.host}")

    def _check_views_agree(self) -> None:
        expected = sorted(n.member_id for n in self.world.running())
        for observer in self.world.running():
            present = [m for m in observer.protocol.membership.members() if m.is_present]
            if sorted(m.node_id for m in present) != expected:
                hosts = sorted(self.world.by_id[m.node_id].host for m in present)
                up = sorted(self.world.by_host)
                raise self._violation(f"host {observer.host} sees {hosts} after peace, not {up}")
            for member in present:
                names = observer.protocol.names.names_of(member.node_id)
                if names != self.world.by_id[member.node_id].names:
                    raise self._violation(f"host {observer.host} holds other names of node {member.node_id:x} than it")

    def _violation(self, what: str) -> Violation:
        return Violation(
            f"at {self.world.now:.3f} s: {what}\n"
            f"size {self.size}, seed {self.seed}; replay with: "
            f"python -m tests.simulation.cluster_replay {self.size} {self.seed} {self.faults_s:g}"
        )
