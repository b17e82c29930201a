"""Hosts of a network of their own: namespaces on a bridge, whose packets to each other can be dropped.

Everything is made by `hosts` and gone after it; the network of the machine is not touched. Addresses are those that are
reserved for documentation.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

_numbers = itertools.count()


class Hosts:
    """Namespaces by number, from 0 upwards.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self._name = f"pt{os.getpid()}x{next(_numbers)}"
        self.count = count

    def address(self, host: int) -> str:
        """The address of a host."""
        return f"192.0.2.{host + 1}"

    def inside(self, host: int) -> tuple[str, ...]:
        """What to put before a command that is to run on a host."""
        return "ip", "netns", "exec", self._space(host)

    def cut(self, source: int, target: int) -> None:
        """Drop what one host sends to another, both ways if called for both."""
        self._filter(target, f"add rule inet cuts arriving ip saddr {self.address(source)} drop")

    def cut_apart(self, ones: list[int], others: list[int]) -> None:
        """Drop what two groups send each other."""
        for one, other in itertools.product(ones, others):
            self.cut(one, other)
            self.cut(other, one)

    def lose(self, percent: int) -> None:
        """Drop so many packets in a hundred of all that arrives anywhere, by chance."""
        for host in range(self.count):
            self._filter(host, f"add rule inet cuts arriving numgen random mod 100 < {percent} drop")

    def heal(self) -> None:
        """Drop nothing more."""
        for host in range(self.count):
            self._filter(host, "flush chain inet cuts arriving")

    def build(self) -> None:
        """Make the network, and remove those of test runs that were killed."""
        for space in _run("ip", "netns", "list").split():
            if (found := re.fullmatch(r"pt(\d+)x\d+(b|h\d+)", space)) and not Path("/proc", found[1]).exists():
                subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)
        _run("ip", "netns", "add", self._bridge)
        self._in_bridge("ip", "link", "add", "bridge", "type", "bridge")
        self._in_bridge("ip", "link", "set", "bridge", "up")
        for host in range(self.count):
            self._add(host)

    def remove(self) -> None:
        """Remove it, as far as it was made."""
        for space in (*map(self._space, range(self.count)), self._bridge):
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)

    def _add(self, host: int) -> None:
        space, port = self._space(host), f"port{host}"
        _run("ip", "netns", "add", space)
        self._in_bridge("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
        self._in_bridge("ip", "link", "set", port, "master", "bridge", "up")
        for words in (
            f"ip address add {self.address(host)}/24 dev eth0",
            "ip link set eth0 up",
            "ip link set lo up",
            "nft add table inet cuts",
            "nft add chain inet cuts arriving { type filter hook input priority 0 ; }",
        ):
            _run(*self.inside(host), *words.split())

    def _filter(self, host: int, rule: str) -> None:
        _run(*self.inside(host), "nft", *rule.split())

    def _in_bridge(self, *command: str) -> None:
        _run("ip", "netns", "exec", self._bridge, *command)

    @property
    def _bridge(self) -> str:
        return f"{self._name}b"

    def _space(self, host: int) -> str:
        return f"{self._name}h{host}"


@contextlib.contextmanager
def hosts(count: int) -> Iterator[Hosts]:
    """A network of so many hosts.

    Raises:
        OSError: this process may not make namespaces; the text says what the system answered.
    """
    made = Hosts(count)
    try:
        made.build()
        yield made
    finally:
        made.remove()


def why_there_can_be_none() -> str | None:
    """Why this process cannot make hosts; None if it can."""
    try:
        with hosts(1):
            return None
    except OSError as error:
        return str(error)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
    return done.stdout
