"""Addresses to begin with: how their text is read, and when each is tried again until a live member answers there."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from random import Random

Resolver = Callable[[str, int], Awaitable[list[str]]]
"""Looks up all addresses of a host name: `(host, port) -> ["10.0.0.4:7000", …]`; raises OSError when there are none."""

FIRST_RETRY_S = 1.0
LAST_RETRY_S = 10.0
CHECK_S = 5.0
NO_ANSWER = "no answer yet"
DNS_SCHEME = "dns://"

_HOST_PORT = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<host>[^\s:/\[\]@]+)):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port, with the host in no brackets."""

    host: str
    port: int
    all_addresses: bool = False
    """Written as `dns://name:port`: every address behind the name is meant, now and later."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{DNS_SCHEME if self.all_addresses else ''}{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read `host:port`, `[v6]:port` or `dns://name:port`.

    Raises:
        ValueError: the text is none of these.
    """
    if not isinstance(text, str):
        raise ValueError(f"invalid socket address syntax: {text!r}; expected host:port")
    rest = text.removeprefix(DNS_SCHEME)
    found = _HOST_PORT.fullmatch(rest)
    if found is None or not int(found["port"]) <= 65535:
        raise ValueError(f"invalid socket address syntax: {text!r}; expected host:port")
    return Address(found["v6"] or found["host"], int(found["port"]), all_addresses=rest != text)


@dataclass(frozen=True, slots=True)
class Dial:
    """Effect: connect to an address."""

    addr: str
    node_id: int = 0
    """Who is expected there; 0 for whoever it is."""


@dataclass(frozen=True, slots=True)
class Resolve:
    """Effect: look up all addresses of a `dns://` seed."""

    seed: str


@dataclass(frozen=True, slots=True)
class SeedReport:
    """One row for operators: what became of a seed address."""

    addr: str
    reachable: bool
    last_tried_at: float | None
    """Monotonic seconds; None before the first attempt."""
    reason: str = ""
    """Why the last attempt failed; empty where it did not."""


@dataclass(slots=True)
class _Target:
    """One address that is tried until a live member is known to answer there."""

    addr: str
    due: float
    failures: int = 0
    tried_at: float | None = None
    node_id: int | None = None
    """Who proved its id there last."""
    reason: str = ""
    is_settled: bool = False
    """Whether a member has been known there, or the host has refused: nobody else lives there unknown."""


@dataclass(slots=True)
class _Name:
    """A `dns://` seed; the addresses behind it are targets of their own."""

    due: float
    targets: set[str] = field(default_factory=set)
    tried_at: float | None = None
    reason: str = ""
    is_settled: bool = False
    """Whether it has been looked up."""


class Seeds:
    """When to dial which seed.

    An address is left alone while a live member answers there, and tried again, with backoff and jitter, as soon as
    it does not: this is also how two halves that started apart find each other, and how a cluster survives the loss
    of a seed. One's own address among the seeds is recognised and forgotten.
    """

    def __init__(self, own_id: int, random: Random) -> None:
        self._own_id = own_id
        self._random = random
        self._targets: dict[str, _Target] = {}
        self._names: dict[str, _Name] = {}
        self._own: set[str] = set()

    def add(self, seeds: Iterable[str], now: float) -> None:
        """Begin with these addresses at once; known ones are tried at once again.

        Raises:
            ValueError: an address cannot be read; then none is added.
        """
        for seed, address in [(str(a), a) for a in map(parse_address, seeds)]:
            if address.all_addresses:
                self._names.setdefault(seed, _Name(now)).due = now
            elif seed not in self._own:
                self._targets.setdefault(seed, _Target(seed, now)).due = now

    def next_deadline(self) -> float | None:
        """When the next attempt is due."""
        dues = [t.due for t in self._targets.values()] + [n.due for n in self._names.values()]
        return min(dues, default=None)

    def tick(self, now: float, live: Callable[[str, int | None], bool]) -> list[Dial | Resolve]:
        """Ask for every attempt that is due.

        Args:
            now: monotonic seconds.
            live: whether a live member has this address, or is the one that last answered there.
        """
        effects: list[Dial | Resolve] = []
        for seed, name in self._names.items():
            if name.due <= now:
                name.due, name.tried_at = now + LAST_RETRY_S, now
                effects.append(Resolve(seed))
        for target in self._targets.values():
            if target.due > now:
                continue
            if live(target.addr, target.node_id):
                target.is_settled = True
                target.failures, target.due = 0, now + CHECK_S
            else:
                target.due, target.tried_at = now + self._backoff(target.failures), now
                target.failures += 1
                target.reason = target.reason or NO_ANSWER
                effects.append(Dial(target.addr))
        return effects

    def resolved(self, seed: str, addrs: Iterable[str], now: float, reason: str = "") -> None:
        """Take the addresses behind a `dns://` seed, or why there are none; those that vanished are no longer tried."""
        name = self._names.get(seed)
        if name is None:
            return
        name.reason, name.is_settled = reason, True
        found = set(addrs)
        for gone in name.targets - found:
            self._targets.pop(gone, None)
        for addr in sorted(found - name.targets - self._own):
            self._targets.setdefault(addr, _Target(addr, now))
        name.targets = found

    def connected(self, addr: str, node_id: int) -> None:
        """Somebody proved an id at an address."""
        if node_id == self._own_id:
            self._own.add(addr)
            self._targets.pop(addr, None)
        elif addr in self._targets:
            self._targets[addr].node_id = node_id
            self._targets[addr].failures = 0
            self._targets[addr].reason = ""

    def failed(self, addr: str, reason: str, *, refused: bool = False) -> None:
        """Nobody could be joined at an address; with `refused` nobody is there."""
        if addr in self._targets:
            self._targets[addr].reason = reason
            self._targets[addr].is_settled |= refused

    def may_hide_others(self, live: Callable[[str, int | None], bool]) -> bool:
        """Whether somebody may live at an address who is no member yet: it has been silent from the beginning."""
        for target in self._targets.values():
            target.is_settled = target.is_settled or live(target.addr, target.node_id)
        is_known = [t.is_settled for t in self._targets.values()] + [n.is_settled for n in self._names.values()]
        return not all(is_known)

    def report(self, live: Callable[[str, int | None], bool]) -> list[SeedReport]:
        """What became of each address."""
        return [SeedReport(t.addr, live(t.addr, t.node_id), t.tried_at, t.reason) for t in self._targets.values()] + [
            SeedReport(seed, bool(name.targets), name.tried_at, name.reason) for seed, name in self._names.items()
        ]

    def _backoff(self, failures: int) -> float:
        return min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(failures, 8)) * self._random.uniform(0.75, 1.0)
