"""Who may knock at a listener: how many unproven connections are kept, and who has guessed too often.

Knows neither sockets nor clocks: guests are opaque, and `now` is passed in.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from pulsing.transport.address import is_loopback

Guest = TypeVar("Guest", bound=Hashable)

AUTH_PAUSE_S = 30.0
"""Seconds for which a node leaves an address alone that has refused its secret, so as not to be taken for a guesser."""

_WINDOW_S = 60.0
_MAX_ORIGINS = 1024


class Doorkeeper(Generic[Guest]):
    """Bounds what strangers can take from a node.

    Args:
        max_guests: unproven connections in all.
        max_guests_per_origin: of these from one address (of IPv6: from one /64 network). Loopback may take all
            places, because a whole cluster may start there at once; of those whose refusal is delayed, no more.
        max_failures: refused proofs a minute from one address before it is limited.
    """

    def __init__(self, max_guests: int = 64, max_guests_per_origin: int = 8, max_failures: int = 5) -> None:
        self._max_guests = max_guests
        self._max_guests_per_origin = max_guests_per_origin
        self._max_failures = max_failures
        self._origins: dict[Guest, str] = {}
        self._busy: set[Guest] = set()
        self._held: set[Guest] = set()
        self._failures: dict[str, deque[float]] = {}
        self.failed_total = 0
        """How many were refused: for their proof, or because they speak no version of ours."""

    def enter(self, guest: Guest, host: str) -> Guest | None:
        """Take in an unproven connection.

        Returns:
            Who has to go: nobody; or the oldest guest that has not asked anything yet, so that idle sockets
            cannot keep honest nodes out; or `guest` itself where there is none.
        """
        origin = origin_of(host)
        neighbours = [other for other, its_origin in self._origins.items() if its_origin == origin]
        if sum(other in self._held for other in neighbours) >= self._max_guests_per_origin:
            return guest
        displaced = self._displaced_by(guest, neighbours, shared=self.shared(host))
        if displaced is not None:
            self.leave(displaced)
        if displaced != guest:
            self._origins[guest] = origin
        return displaced

    def asked(self, guest: Guest) -> None:
        """The guest has made its request: it is not displaced any more."""
        self._busy.add(guest)

    def hold(self, guest: Guest) -> None:
        """The guest waits for its delayed refusal: as many as one address may have, and it is not heard any more."""
        self._held.add(guest)

    def leave(self, guest: Guest) -> None:
        """The guest is gone, or proven and a guest no longer. Idempotent."""
        self._origins.pop(guest, None)
        self._busy.discard(guest)
        self._held.discard(guest)

    def failed(self, host: str, now: float) -> None:
        """A proof from `host` was refused."""
        self.failed_total += 1
        self._forget_old(now)
        if len(self._failures) < _MAX_ORIGINS or origin_of(host) in self._failures:
            self._failures.setdefault(origin_of(host), deque(maxlen=self._max_failures + 1)).append(now)

    def speaks_otherwise(self) -> None:
        """A guest has proved itself, but there is no common version: it is counted, and has guessed nothing."""
        self.failed_total += 1

    def limits(self, host: str, now: float) -> bool:
        """Whether `host` has failed too often within the last minute."""
        failures = self._failures.get(origin_of(host), ())
        return sum(1 for at in failures if now - at < _WINDOW_S) > self._max_failures

    def shared(self, host: str) -> bool:
        """Whether an address stands for several users, who must not shut each other out."""
        return is_loopback(host)

    @property
    def guests(self) -> list[Guest]:
        """The unproven connections, the oldest first."""
        return list(self._origins)

    def _displaced_by(self, guest: Guest, neighbours: list[Guest], *, shared: bool) -> Guest | None:
        if len(self._origins) >= self._max_guests:
            crowd = list(self._origins)
        elif len(neighbours) >= self._max_guests_per_origin and not shared:
            crowd = neighbours
        else:
            return None
        return next((other for other in crowd if other not in self._busy), guest)

    def _forget_old(self, now: float) -> None:
        if len(self._failures) >= _MAX_ORIGINS:
            self._failures = {who: at for who, at in self._failures.items() if now - at[-1] < _WINDOW_S}


def origin_of(host: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network that an IPv6 host chooses its own from."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
