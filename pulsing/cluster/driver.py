"""Performs what the machine of the cluster asks for: the one place where it meets a clock, a loop and a network."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, deque
from collections.abc import Callable, Sequence
from random import Random

from pulsing.clock import Clock
from pulsing.cluster.channel import Channel, Connected, DialFailed, LinkEvent
from pulsing.cluster.events import (
    ClusterEffect,
    ClusterInput,
    Departed,
    Join,
    Leave,
    MemberChanged,
    NamesChanged,
    Received,
    Resolved,
    Send,
    Synced,
    Tick,
)
from pulsing.cluster.member import Member
from pulsing.cluster.messages import KINDS, BadMessage, decode, encode
from pulsing.cluster.profile import Profile
from pulsing.cluster.protocol import ClusterProtocol
from pulsing.cluster.report import Direction, Observation, Report, observe
from pulsing.cluster.seeds import Address, Dial, Resolve, Resolver, parse_address
from pulsing.logs import logger_of

logger = logger_of(__name__)

FIRST_ROUND_S = 2.0
"""Seconds that `join` waits for the first answers when it is not told how long; every seed that is there has answered
by then."""


class Driver:
    """A node's part in the cluster, at work on one loop, to which all methods belong.

    Args:
        me: this node's own record.
        channel: the way to other nodes; without one there is no timer.
        tell: called with each change of the view.
        clock: monotonic time for decisions.
        random: the source of every random choice.
        profile: how patient failure detection is.
        resolver: looks up the addresses behind a `dns://` seed.
    """

    def __init__(
        self,
        me: Member,
        channel: Channel | None,
        tell: Callable[[Report], None],
        *,
        clock: Clock,
        random: Random,
        profile: Profile,
        resolver: Resolver | None = None,
    ) -> None:
        self._channel = channel
        self._tell = tell
        self._clock = clock
        self._protocol = ClusterProtocol(me, random, profile)
        self._resolver = resolver or resolve_host
        self._bad_messages = 0
        self._messages: Counter[tuple[str, Direction]] = Counter()
        self._inbox: deque[ClusterInput] = deque()
        self._is_busy = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: float | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False
        self._lookups: set[asyncio.Task[None]] = set()
        self._attempts: set[str] = set()
        self._silent: set[str] = set()
        """Addresses at which nobody answered, not even to refuse."""
        self._is_synced = False
        self._departed = False
        self._progress: set[asyncio.Future[None]] = set()
        self._members: tuple[Member, ...] = (me,)
        self._ended: frozenset[int] = frozenset()
        self._told = (False, False, False)

    # -- life --------------------------------------------------------------------------------------------------------

    def start(self, seeds: Sequence[str] = ()) -> None:
        """Begin to take part, on the running loop; the seeds are dialled at once."""
        self._loop = asyncio.get_running_loop()
        self.feed(Join(tuple(seeds)))

    async def join(self, seeds: Sequence[str], timeout: float | None) -> bool:
        """Dial these seeds too, and wait until a member has answered and its names are here.

        Args:
            seeds: their addresses.
            timeout: seconds to wait; None waits for the first round of answers only, at most 2 s.

        Returns:
            Whether this node is now joined with at least one other.
        """
        self.feed(Join(tuple(seeds)))
        if timeout is None:
            await self._wait_until(lambda: self._is_joined or self._is_alone, FIRST_ROUND_S)
        else:
            await self._wait_until(lambda: self._is_joined, timeout)
        return self._is_joined

    async def leave(self) -> None:
        """Say farewell, and wait at most a second for the others to hear it."""
        if self._loop is None or self._departed:
            return
        self.feed(Leave())
        await self._wait_until(lambda: self._departed, self._protocol.membership.profile.leave_timeout * 2)

    def stop(self) -> None:
        """Take part no more, without a word; idempotent."""
        self._stopped = True
        self._inbox.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in self._lookups:
            task.cancel()
        self._wake()

    async def observe(self) -> Observation:
        """What has been seen of the others so far."""
        return observe(self._protocol, self._messages, self._bad_messages)

    # -- what the network reports ------------------------------------------------------------------------------------

    def member(self, node_id: int) -> Member | None:
        """One member's record, None for an unknown id."""
        return self._protocol.membership.member(node_id)

    def received(self, node_id: int, payload: bytes) -> bool:
        """Take a payload from the node that proved this id on its link; False where it is no message, and counted."""
        try:
            message = decode(payload)
        except BadMessage as error:
            self._bad_messages += 1
            logger.debug("dropped a payload of node %016x: %s", node_id, error)
            return False
        self._messages[KINDS[type(message)], "in"] += 1
        self.feed(Received(node_id, message))
        return True

    def report(self, event: LinkEvent) -> None:
        """Take a report about links: `Connected`, `DialFailed`, `LinkLost` or `Heard`."""
        own_id = self._protocol.membership.me.node_id
        if isinstance(event, DialFailed) or (isinstance(event, Connected) and event.node_id == own_id):
            self._attempts.discard(event.addr)
            self._silent.discard(event.addr)
            if isinstance(event, DialFailed) and not event.refused:
                self._silent.add(event.addr)
        self.feed(event)

    # -- the machine -------------------------------------------------------------------------------------------------

    def feed(self, event: ClusterInput) -> None:
        """Run the machine on an event; what arrives meanwhile is taken in its turn."""
        if self._stopped:
            return
        self._inbox.append(event)
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._inbox:
                self._take(self._inbox.popleft())
        finally:
            self._is_busy = False
        self._arm()
        self._wake()

    def _take(self, event: ClusterInput) -> None:
        effects = self._protocol.handle(event, self._clock.monotonic())
        for effect in effects:
            self._perform(effect)
        news = tuple(effect for effect in effects if self._is_news(effect))
        state = (self._is_joined, self._is_cut_off, self._protocol.membership.may_lack_members)
        if news or state != self._told:
            self._told = state
            if any(isinstance(effect, MemberChanged) for effect in news):
                self._members = tuple(self._protocol.membership.members())
                self._ended = self._protocol.membership.ended()
            joined, *doubts = state
            self._tell(Report(self._members, news, joined, self._ended, *doubts))  # type: ignore[arg-type]

    def _is_news(self, effect: ClusterEffect) -> bool:
        """Whether the rest of the node does not know it yet; its own names it does."""
        if isinstance(effect, NamesChanged):
            return effect.node_id != self._protocol.membership.me.node_id
        return isinstance(effect, MemberChanged)

    def _perform(self, effect: ClusterEffect) -> None:
        match effect:
            case Send(node_id, message):
                if self._channel is not None:
                    self._messages[KINDS[type(message)], "out"] += 1
                    self._channel.send(node_id, encode(message))
            case Dial(addr, node_id):
                self._attempts.add(addr)
                if self._channel is not None:
                    self._channel.dial(addr, node_id)
            case Resolve(seed):
                self._look_up(seed)
            case Synced():
                self._is_synced = True
                self._attempts.clear()
            case Departed():
                self._departed = True

    def _arm(self) -> None:
        due = self._protocol.next_deadline()
        if self._loop is None or self._channel is None or (self._timer is not None and due == self._timer_due):
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due = due
        if due is not None and not self._stopped:
            self._timer = self._loop.call_later(max(0.0, due - self._clock.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.feed(Tick())

    # -- waiting for the others --------------------------------------------------------------------------------------

    @property
    def _is_joined(self) -> bool:
        return self._is_synced and self._protocol.names.is_level

    @property
    def _is_alone(self) -> bool:
        """Whether every attempt to reach somebody has failed so far."""
        return not self._attempts and not self._is_synced

    @property
    def _is_cut_off(self) -> bool:
        return not self._is_synced and bool(self._attempts or self._silent)

    def _look_up(self, seed: str) -> None:
        if self._loop is None:
            return
        self._attempts.add(seed)
        task = self._loop.create_task(self._resolve(seed), name=f"resolve {seed}")
        self._lookups.add(task)
        task.add_done_callback(self._lookups.discard)

    async def _resolve(self, seed: str) -> None:
        address, reason = parse_address(seed), ""
        try:
            found = await self._resolver(address.host, address.port)
        except OSError as error:
            logger.info("seed %s cannot be looked up: %s", seed, error)
            found, reason = [], f"{address.host} cannot be looked up: {error.strerror or error}"
        self._attempts.discard(seed)
        self.feed(Resolved(seed, tuple(found), reason))

    async def _wait_until(self, condition: Callable[[], bool], timeout: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while not self._stopped and not condition() and (remaining := deadline - loop.time()) > 0:
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
