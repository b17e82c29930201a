"""The cluster as the rest of a node sees it: members, names and placement, as its membership reported them last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from pulsing.clock import Clock
from pulsing.cluster.channel import Channel, LinkEvent
from pulsing.cluster.crossing import Crossing, SameLoop
from pulsing.cluster.directory import Directory
from pulsing.cluster.driver import Driver
from pulsing.cluster.events import Announce, Describe, LoopLag, MemberChanged, NamesChanged, StartLeaving
from pulsing.cluster.head import Mode
from pulsing.cluster.member import Member
from pulsing.cluster.names import Entry
from pulsing.cluster.placement import owner_of
from pulsing.cluster.profile import LAN, Profile
from pulsing.cluster.report import Observation, Report
from pulsing.cluster.seeds import Resolver, parse_address
from pulsing.logs import logger_of

logger = logger_of(__name__)

OnChange = Callable[[MemberChanged], None]
OnConflict = Callable[[str], None]


class Cluster:
    """Members, names and placement, as this node knows them.

    All methods belong to the node's loop. Membership itself runs where `crossing` leads: on this loop or on a thread.
    Without a channel the node stands alone: one member, its own names, no timer.

    Args:
        me: this node's own record; its address is the advertised one.
        channel: the way to other nodes.
        clock: monotonic time for decisions, wall time for display.
        random: the source of every random choice.
        name: the cluster's name.
        mode: how the node finds others, for display.
        head: address of the head node, for display.
        profile: how patient failure detection is.
        resolver: looks up the addresses behind a `dns://` seed.
        max_public_names: how many public names this node may hold.
        crossing: the way to the loop of membership.
    """

    def __init__(
        self,
        me: Member,
        channel: Channel | None = None,
        *,
        clock: Clock,
        random: Random,
        name: str = "pulsing",
        mode: Mode = "gossip",
        head: str | None = None,
        profile: Profile = LAN,
        resolver: Resolver | None = None,
        max_public_names: int = 10_000,
        crossing: Crossing | None = None,
    ) -> None:
        self.name = name
        self.mode: Mode = "standalone" if channel is None else mode
        self.head = head
        self.clock = clock
        self.started_at = clock.monotonic()
        self.is_joined = False
        """Whether another member has answered with all it holds, and the names of all are here."""
        self.may_be_cut_off = False
        """Whether no seed has answered yet, though not all of them were refused: there may be others."""
        self.may_lack_members = False
        """Whether there may be others whom nobody here knows: a seed has been silent from the beginning."""
        self.seen = Observation()
        """What `observe` found last."""
        self.crossing = SameLoop() if crossing is None else crossing
        self.driver = Driver(me, channel, self._report, clock=clock, random=random, profile=profile, resolver=resolver)
        self._own_id = me.node_id
        self.ended: frozenset[int] = frozenset()
        """The dead whose processes are known to have ended; the others may only be cut off."""
        self._listed: tuple[Member, ...] = (me,)
        self._members = {me.node_id: me}
        self.directory = Directory(me.node_id, self.member, self._announce, max_public=max_public_names)
        self._started = self._stopped = False
        self._on_change: list[OnChange] = []
        self._on_view: list[Callable[[], None]] = []
        self._on_conflict: list[OnConflict] = []
        self._on_joined: list[Callable[[], None]] = []

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self, seeds: Sequence[str] = ()) -> None:
        """Begin to take part; the seeds are dialled at once.

        Raises:
            ValueError: a seed's address cannot be read.
        """
        checked = _checked(seeds)
        self._started = True
        self.crossing.post(self.driver.start, checked)
        self.crossing.post(self.crossing.watch_lag, self._lag_changed)

    async def join(self, seeds: Sequence[str] = (), timeout: float | None = None) -> bool:
        """Dial these seeds too, and wait until a member has answered and its names are here.

        An unreachable seed is no error: it is tried again for as long as nobody alive answers there.

        Args:
            seeds: addresses "host:port", "[v6]:port" or "dns://name:port".
            timeout: seconds to wait; None waits for the first round of answers only, at most 2 s.

        Returns:
            Whether this node is now joined with at least one other.

        Raises:
            ValueError: a seed's address cannot be read.
        """
        return await self.crossing.run(self.driver.join(_checked(seeds), timeout))

    def start_leaving(self) -> None:
        """Take no new work from now on, and tell the others; actors go on."""
        self.crossing.post(self.driver.feed, StartLeaving())

    async def leave(self) -> None:
        """Say farewell, and wait at most a second for the others to hear it."""
        if self._started and not self._stopped:
            await self.crossing.run(self.driver.leave())

    def stop(self) -> None:
        """Take part no more, without a word; idempotent."""
        self._stopped = True
        self.crossing.post(self.driver.stop)

    # -- what the node reports ---------------------------------------------------------------------------------------

    def report(self, event: LinkEvent) -> None:
        """Take a report about links of actors: `Connected`, `DialFailed`, `LinkLost` or `Heard`."""
        self.crossing.post(self.driver.report, event)

    def describe(self, **changes: Any) -> None:
        """Change fields of this node's own record, such as `admin_url` or `metadata`, everywhere."""
        self.crossing.post(self.driver.feed, Describe(changes))

    def _announce(self, path: str, entry: Entry | None) -> None:
        self.crossing.post(self.driver.feed, Announce(path, entry))

    # -- the view ----------------------------------------------------------------------------------------------------

    @property
    def me(self) -> Member:
        """This node's own record."""
        return self._members[self._own_id]

    def members(self) -> list[Member]:
        """All known members, this node first; the dead and the left are among them while they are remembered."""
        return list(self._listed)

    def member(self, node_id: int) -> Member | None:
        """One member's record, None for an unknown id."""
        return self._members.get(node_id)

    def owner(self, key: str) -> Member:
        """The member that owns a key by rendezvous hashing; this node when nobody else takes work."""
        return owner_of(key, self._listed) or self.me

    async def observe(self) -> Observation:
        """What membership has seen so far of the others and of itself."""
        if not self._stopped:
            self.seen = await self.crossing.run(self.driver.observe())
        return self.seen

    def on_change(self, callback: OnChange) -> Callable[[], None]:
        """Call back after each change of a member, names already in step; returns a function that ends this."""
        self._on_change.append(callback)
        return lambda: self._on_change.remove(callback)

    def on_view(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back once after all changes of other members that came together; returns a function that ends this."""
        self._on_view.append(callback)
        return lambda: self._on_view.remove(callback)

    def on_joined(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back when `is_joined` begins to hold; returns a function that ends this."""
        self._on_joined.append(callback)
        return lambda: self._on_joined.remove(callback)

    def on_conflict(self, callback: OnConflict) -> Callable[[], None]:
        """Call back with each name whose instances turn out to be of different classes."""
        self._on_conflict.append(callback)
        return lambda: self._on_conflict.remove(callback)

    # -- what membership reports -------------------------------------------------------------------------------------

    def _lag_changed(self, seconds: float) -> None:
        self.driver.feed(LoopLag(seconds))

    def _report(self, report: Report) -> None:
        self.crossing.back(self._take, report)

    def _take(self, report: Report) -> None:
        has_joined = report.joined and not self.is_joined
        self.is_joined = report.joined
        self.ended = report.ended
        self.may_be_cut_off = report.cut_off
        self.may_lack_members = report.lacks_members
        if report.members is not self._listed:
            self._listed = report.members
            self._members = {member.node_id: member for member in report.members}
        for change in report.news:
            if isinstance(change, NamesChanged):
                for path in self.directory.update(change.node_id, change.changes):
                    self._call_all(self._on_conflict, path)
            else:
                self._call_all(self._on_change, change)
        if any(isinstance(change, MemberChanged) and change.after.node_id != self._own_id for change in report.news):
            self._call_all(self._on_view)
        if has_joined:
            self._call_all(self._on_joined)

    def _call_all(self, callbacks: Iterable[Callable[..., None]], *values: object) -> None:
        for callback in list(callbacks):
            try:
                callback(*values)
            except Exception:
                logger.exception("a callback on %s failed", values)


def _checked(seeds: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(parse_address(seed)) for seed in seeds)
