"""The cluster as the rest of a node sees it, and the driver that performs what its machine asks for."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from pulsing.clock import Clock
from pulsing.cluster.channel import Channel, Connected, DialFailed, LinkEvent
from pulsing.cluster.directory import Directory
from pulsing.cluster.events import (
    Announce,
    ClusterEffect,
    ClusterInput,
    Departed,
    Describe,
    Join,
    Leave,
    MemberChanged,
    NamesChanged,
    Received,
    Resolved,
    Send,
    StartLeaving,
    Synced,
    Tick,
)
from pulsing.cluster.head import Mode
from pulsing.cluster.member import Member
from pulsing.cluster.membership import Membership
from pulsing.cluster.messages import BadMessage, decode, encode
from pulsing.cluster.names import Entry
from pulsing.cluster.placement import owner_of
from pulsing.cluster.profile import LAN, Profile
from pulsing.cluster.protocol import ClusterProtocol
from pulsing.cluster.seeds import Address, Dial, Resolve, Resolver, parse_address

logger = logging.getLogger(__name__)

FIRST_ROUND_S = 2.0
"""How long `join` waits for the first answers when it is not told how long."""

OnChange = Callable[[MemberChanged], None]
OnConflict = Callable[[str], None]


class Cluster:
    """Members, names and placement, as this node knows them.

    All methods belong to the loop on which `start` was called. Without a channel the node stands alone: one member,
    its own names, no timer.

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
    ) -> None:
        self.name = name
        self.mode: Mode = "standalone" if channel is None else mode
        self.head = head
        self.clock = clock
        self.started_at = clock.monotonic()
        self.bad_messages = 0
        """How many payloads of peers were no messages."""
        self._channel = channel
        self._protocol = ClusterProtocol(me, random, profile)
        self._resolver = resolver or resolve_host
        self.directory = Directory(me.node_id, self.member, self._announce, max_public=max_public_names)
        self._inbox: deque[ClusterInput] = deque()
        self._is_busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lookups: set[asyncio.Task[None]] = set()
        self._attempts: set[str] = set()
        self._is_synced = False
        self._departed = False
        self._progress: set[asyncio.Future[None]] = set()
        self._on_change: list[OnChange] = []
        self._on_conflict: list[OnConflict] = []

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self, seeds: Sequence[str] = ()) -> None:
        """Begin to take part, on the running loop; the seeds are dialled at once.

        Raises:
            ValueError: a seed's address cannot be read.
        """
        self._loop = asyncio.get_running_loop()
        self._feed(Join(_checked(seeds)))

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
        self._feed(Join(_checked(seeds)))
        if timeout is None:
            await self._wait_until(lambda: self.is_joined or self._is_alone, FIRST_ROUND_S)
        else:
            await self._wait_until(lambda: self.is_joined, timeout)
        return self.is_joined

    def start_leaving(self) -> None:
        """Take no new work from now on, and tell the others; actors go on."""
        self._feed(StartLeaving())

    async def leave(self) -> None:
        """Say farewell, and wait at most a second for the others to hear it."""
        if self._loop is None or self._departed:
            return
        self._feed(Leave())
        await self._wait_until(lambda: self._departed, self._protocol.membership.profile.leave_timeout * 2)

    def stop(self) -> None:
        """Take part no more, without a word; idempotent."""
        self._loop = None
        self._inbox.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in self._lookups:
            task.cancel()
        self._wake()

    # -- what the network reports ------------------------------------------------------------------------------------

    def received(self, node_id: int, payload: bytes) -> None:
        """Take a payload from the node that proved this id on its link; hostile bytes are counted and dropped."""
        try:
            message = decode(payload)
        except BadMessage as error:
            self.bad_messages += 1
            logger.debug("dropped a payload of node %016x: %s", node_id, error)
            return
        self._feed(Received(node_id, message))

    def report(self, event: LinkEvent) -> None:
        """Take a report about links: `Connected`, `DialFailed`, `LinkLost` or `Heard`."""
        if isinstance(event, DialFailed) or (isinstance(event, Connected) and event.node_id == self.me.node_id):
            self._attempts.discard(event.addr)
        self._feed(event)

    # -- the view ----------------------------------------------------------------------------------------------------

    @property
    def me(self) -> Member:
        """This node's own record."""
        return self._protocol.membership.me

    @property
    def membership(self) -> Membership:
        """The machine behind the view, for inspection."""
        return self._protocol.membership

    @property
    def is_joined(self) -> bool:
        """Whether another member has answered with all it holds, and the names of all are here."""
        return self._is_synced and self._protocol.names.is_level

    def members(self) -> list[Member]:
        """All known members, this node first; the dead and the left are among them while they are remembered."""
        return self._protocol.membership.members()

    def member(self, node_id: int) -> Member | None:
        """One member's record, None for an unknown id."""
        return self._protocol.membership.member(node_id)

    def owner(self, key: str) -> Member:
        """The member that owns a key by rendezvous hashing; this node when nobody else takes work."""
        return owner_of(key, self.members()) or self.me

    def names_of(self, node_id: int) -> dict[str, Entry]:
        """The public names of a node."""
        return self._protocol.names.names_of(node_id)

    def describe(self, **changes: Any) -> None:
        """Change fields of this node's own record, such as `admin_url` or `metadata`, everywhere."""
        self._feed(Describe(changes))

    def on_change(self, callback: OnChange) -> Callable[[], None]:
        """Call back after each change of a member, names already in step; returns the way to stop that."""
        self._on_change.append(callback)
        return lambda: self._on_change.remove(callback)

    def on_conflict(self, callback: OnConflict) -> Callable[[], None]:
        """Call back with each name whose instances turn out to be of different classes."""
        self._on_conflict.append(callback)
        return lambda: self._on_conflict.remove(callback)

    @property
    def _is_alone(self) -> bool:
        """Whether every attempt to reach somebody has failed so far."""
        return not self._attempts and not self._is_synced

    # -- the driver --------------------------------------------------------------------------------------------------

    def _announce(self, path: str, entry: Entry | None) -> None:
        self._feed(Announce(path, entry))

    def _feed(self, event: ClusterInput) -> None:
        """Run the machine on an event; what arrives meanwhile is taken in its turn."""
        self._inbox.append(event)
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._inbox:
                now = self.clock.monotonic()
                for effect in self._protocol.handle(self._inbox.popleft(), now):
                    self._perform(effect)
        finally:
            self._is_busy = False
        self._arm()
        self._wake()

    def _perform(self, effect: ClusterEffect) -> None:
        match effect:
            case Send(node_id, message):
                if self._channel is not None:
                    self._channel.send(node_id, encode(message))
            case Dial(addr):
                self._attempts.add(addr)
                if self._channel is not None:
                    self._channel.dial(addr)
            case Resolve(seed):
                self._look_up(seed)
            case NamesChanged(node_id, changes) if node_id != self.me.node_id:
                for path in self.directory.update(node_id, changes):
                    self._call_all(self._on_conflict, path)
            case MemberChanged():
                self._call_all(self._on_change, effect)
            case Synced():
                self._is_synced = True
                self._attempts.clear()
            case Departed():
                self._departed = True

    def _call_all(self, callbacks: Iterable[Callable[[Any], None]], value: object) -> None:
        for callback in list(callbacks):
            try:
                callback(value)
            except Exception:
                logger.exception("a callback on %s failed", value)

    def _arm(self) -> None:
        due = self._protocol.next_deadline()
        if self._loop is None or self._channel is None or (self._timer is not None and due == self._timer_due):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due = due
        if due is not None:
            self._timer = self._loop.call_later(max(0.0, due - self.clock.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._feed(Tick())

    def _look_up(self, seed: str) -> None:
        if self._loop is None:
            return
        self._attempts.add(seed)
        task = self._loop.create_task(self._resolve(seed), name=f"resolve {seed}")
        self._lookups.add(task)
        task.add_done_callback(self._lookups.discard)

    async def _resolve(self, seed: str) -> None:
        address = parse_address(seed)
        try:
            found = await self._resolver(address.host, address.port)
        except OSError as error:
            logger.info("seed %s cannot be looked up: %s", seed, error)
            found = []
        self._attempts.discard(seed)
        self._feed(Resolved(seed, tuple(found)))

    async def _wait_until(self, condition: Callable[[], bool], timeout: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while self._loop is not None and not condition() and (remaining := deadline - loop.time()) > 0:
            waiter: asyncio.Future[None] = loop.create_future()
            self._progress.add(waiter)
            try:
                await asyncio.wait([waiter], timeout=remaining)
            finally:
                self._progress.discard(waiter)

    def _wake(self) -> None:
        for waiter in self._progress:
            if not waiter.done():
                waiter.set_result(None)


async def resolve_host(host: str, port: int) -> list[str]:
    """Look up all addresses of a host name.

    Raises:
        OSError: the name has none, or the look-up failed.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(Address(str(sockaddr[0]), port)) for *_, sockaddr in found})


def _checked(seeds: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(parse_address(seed)) for seed in seeds)
