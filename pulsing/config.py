"""What a system is made with: addresses, whom to join, credentials, and the admin plane."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulsing.settings import Settings


@dataclass(frozen=True)
class TLSConfig:
    """Certificates of a site that has its own authority; links are then encrypted and verified at both ends.

    The certificate of a node names what others dial: the host of its address, or of `advertise`. The proof of the
    common secret is asked for as well.
    """

    ca: str | Path
    """PEM file of the authorities that are trusted"""
    cert: str | Path
    """PEM file of this node's certificate, followed by those that lead to the authority"""
    key: str | Path
    """PEM file of its key, without a password"""


_KINDS: Mapping[str, type] = {"str": str, "bool": bool}
"""By annotation, what a field of `SystemConfig` is an instance of."""


@dataclass(frozen=True)
class SystemConfig:
    """Settings of one system; each `with_…` returns a new one.

    `None` where the environment or the default decides. The passphrase never shows in the repr.
    """

    addr: str | None = None
    """where to listen, `host:port`; None for a system without a listener"""
    seeds: tuple[str, ...] = ()
    """addresses to join through, `host:port` or `dns://name:port`"""
    passphrase: str | None = field(default=None, repr=False)
    """the common secret of the cluster's nodes, by which links are also encrypted"""
    passphrase_file: str | Path | None = None
    """a file whose first line is the passphrase"""
    token_file: str | Path | tuple[str | Path, ...] | None = None
    """a token file to use instead of the user's own; several while tokens are changed, the new one first"""
    tls: TLSConfig | None = None
    """certificates of the site's own authority; None for those that follow from the passphrase, or for plain links"""
    head_addr: str | None = None
    """address of the head node to join, instead of seeds"""
    is_head_node: bool = False
    """whether others join through this node alone"""
    advertise: str | None = None
    """address that others dial when it differs from `addr`"""
    control_port: int = 0
    """port on which membership listens, on the same interface; 0 for any free one"""
    ports: str | None = None
    """first and last port, as `7700-7799`, among which a free one is taken where any would do"""
    cluster: str = "pulsing"
    """name of the cluster; nodes of another name are refused"""
    insecure: bool | None = None
    """whether links go without any secret"""
    allow_pickle: bool = False
    """whether links carry pickled values where the other end agrees"""
    allow_remote_subprocess: tuple[str, ...] = ()
    """programs that other nodes may start here: names in PATH, or absolute paths"""
    join_timeout: float | None = None
    """seconds within which a seed must have answered; None to go on alone"""
    admin: bool | None = None
    """whether the admin plane is served; None: where the node has links, or `admin_addr` is given"""
    admin_addr: str | None = None
    """where it is served, `host:port`; None for 127.0.0.1:8700 or the next free port"""
    node_name: str | None = None
    """what people call the node; by default the host's name, with a number from the second one on"""
    detector: str = "lan"
    """how patient failure detection is: lan or fast"""
    queue_path: str = "./queue_storage"
    """folder under which queues keep their files"""
    events_kept: int = 5_000
    """events that are remembered"""
    letters_kept: int = 1_000
    """dead letters that are remembered"""
    letters_kept_bytes: int = 8 << 20
    """bytes of their messages that are kept, so that they can be sent again"""
    mailbox_capacity: int = 1_000
    """messages that may wait for an actor, unless its class or its spawn says otherwise"""
    mailbox_bytes: int = 64 << 20
    """bytes that messages of other nodes may take in one mailbox"""
    user_bytes: int = 512 << 20
    """bytes that messages of other nodes may take together on this node"""
    busy_poll_us: int = 500
    """microseconds for which the loop stays awake after a message of another node, where that pays; 0 for not at all"""
    public_names: int = 10_000
    """public names that this node may have"""
    ask_timeout: float = 30.0
    """seconds that an ask of this node waits, unless it says otherwise"""
    max_message_bytes: int = 16 << 20
    """bytes that one value may take on links, with its attachments; the same on all nodes"""
    window_frames: int = 1024
    """messages that this node has under way to another, 256 to 1024"""
    window_bytes: int = 8 << 20
    """bytes, about, of the messages that this node has under way to another, 1 to 8 MiB"""
    pending_asks: int = 10_000
    """asks of this node that may wait for the answers of one other node, at most 10,000"""
    stream_items: int = 32
    """items of one stream that this node has under way to another, at most 32"""
    ended_kept: int = 1_000
    """actors that have ended and can still be listed"""
    links_kept: int = 256
    """closed links that can still be listed"""
    settings: Settings | None = field(default=None, repr=False, compare=False)
    """all settings with their sources, those of the admin plane among them; None: as the environment says"""

    def __post_init__(self) -> None:
        self._check_types()
        if self.is_head_node and self.head_addr:
            raise ValueError("Cannot set both is_head_node and head_addr")
        if isinstance(self.seeds, str):
            raise ValueError(f"seeds is a list of addresses, not one: {self.seeds!r}")
        if not isinstance(self.seeds, tuple):
            object.__setattr__(self, "seeds", tuple(self.seeds or ()))
        self._check_security()
        self._check_numbers()
        if self.detector not in ("lan", "fast"):
            raise ValueError(f"detector is lan or fast, got {self.detector!r}")

    def _check_security(self) -> None:
        if self.insecure and self.passphrase:
            raise ValueError("insecure=True and a passphrase exclude each other")
        if self.insecure and self.tls is not None:
            raise ValueError("certificates do not replace the common secret: tls= cannot go with insecure=True")
        if self.insecure and self.allow_pickle:
            raise ValueError("allow_pickle needs authenticated links: it cannot go with insecure=True")

    def _check_numbers(self) -> None:
        if not 0 <= self.control_port <= 65535:
            raise ValueError(f"control_port is a port number or 0, got {self.control_port}")
        self.free_ports  # noqa: B018 - refuses what is no range of ports
        kept = ("events_kept", "letters_kept", "ended_kept", "links_kept")
        for name in (*kept, "mailbox_capacity", "mailbox_bytes", "user_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is at least 1, got {getattr(self, name)}")
        if not 0 <= self.busy_poll_us <= 100_000:
            raise ValueError(f"busy_poll_us is at most 100000 microseconds, or 0, got {self.busy_poll_us}")
        if not (isfinite(self.ask_timeout) and self.ask_timeout > 0):
            raise ValueError(f"ask_timeout is a positive number of seconds, got {self.ask_timeout}")
        if self.join_timeout is not None and not self.join_timeout > 0:  # not a number, too
            raise ValueError(f"join_timeout must be positive, got {self.join_timeout}")

    def _check_types(self) -> None:
        """Refuse what is no text, or neither True nor False, where only that makes sense."""
        for each in fields(self):
            kind, value = _KINDS.get(str(each.type).removesuffix(" | None")), getattr(self, each.name)
            if kind is not None and value is not None and not isinstance(value, kind):
                wanted = "a text" if kind is str else "True or False"
                raise TypeError(f"{each.name} is {wanted}, not a value of type {type(value).__name__}")

    @staticmethod
    def standalone() -> SystemConfig:
        """A system without a listener."""
        return SystemConfig()

    @staticmethod
    def with_addr(addr: str) -> SystemConfig:
        """A system that listens on `host:port`."""
        return SystemConfig(addr=addr)

    def with_seeds(self, seeds: list[str]) -> SystemConfig:
        """Join through these addresses."""
        return replace(self, seeds=tuple(seeds))

    def with_passphrase(self, passphrase: str) -> SystemConfig:
        """Encrypt links, and prove this passphrase on each."""
        return replace(self, passphrase=passphrase)

    def with_head_node(self) -> SystemConfig:
        """Be the head of a cluster that joins by one head."""
        return replace(self, is_head_node=True, head_addr=None)

    def with_head_addr(self, head_addr: str) -> SystemConfig:
        """Join the cluster of this head."""
        return replace(self, head_addr=head_addr, is_head_node=False)

    def is_tls_enabled(self) -> bool:
        """Whether all links are encrypted, because a passphrase or certificates are set."""
        return any(setting is not None for setting in (self.passphrase, self.passphrase_file, self.tls))

    @property
    def free_ports(self) -> Sequence[int]:
        """The ports to try, in their order, where any free one would do; 0 stands for what the system chooses."""
        if not self.ports:
            return (0,)
        first, dash, last = self.ports.partition("-")
        if not (first.isdecimal() and dash and last.isdecimal() and 0 < int(first) <= int(last) < 65536):
            raise ValueError(f"ports is the first and the last port, as 7700-7799, got {self.ports!r}")
        return range(int(first), int(last) + 1)

    @property
    def contacts(self) -> tuple[str, ...]:
        """The addresses to join through."""
        return (self.head_addr,) if self.head_addr else self.seeds

    @property
    def networked(self) -> bool:
        """Whether the system has links to others."""
        return self.addr is not None or bool(self.contacts) or self.is_head_node


_FIELDS = {
    "admin": "admin.enabled",
    "admin_addr": "admin.addr",
    "allow_remote_subprocess": "subprocess.allow_remote",
    "ask_timeout": "node.ask_timeout",
    "busy_poll_us": "link.busy_poll_us",
    "detector": "detector.profile",
    "ended_kept": "actors.ended",
    "events_kept": "events.capacity",
    "letters_kept": "dead_letters.capacity",
    "letters_kept_bytes": "dead_letters.keep_bytes",
    "links_kept": "links.closed",
    "mailbox_bytes": "node.mailbox_bytes",
    "max_message_bytes": "link.max_message_bytes",
    "pending_asks": "link.pending_asks",
    "stream_items": "link.stream_items",
    "window_bytes": "link.window_bytes",
    "window_frames": "link.window_frames",
    "mailbox_capacity": "node.mailbox",
    "node_name": "node.name",
    "public_names": "node.public_names",
    "queue_path": "queue.base_path",
    "user_bytes": "node.user_bytes",
}
"""Fields whose key in files is another than their name."""


def config_from(environment: Mapping[str, str] | None = None, **given: Any) -> SystemConfig:
    """Put arguments over the environment, and that over the file of settings.

    Args:
        environment: by default that of the process.
        given: fields of the result; None where the others decide.

    Raises:
        ValueError: a setting is unknown, of the wrong kind, or makes no sense.
    """
    # The table is needed by systems, not by programs that only import the package.
    from pulsing.settings import resolve

    chosen = {name: value for name, value in given.items() if value is not None}
    tls = chosen.pop("tls", None)
    arguments = {_FIELDS.get(name, name): value for name, value in chosen.items()}
    settings = resolve(os.environ if environment is None else environment, arguments=arguments)
    return system_config(settings, admin_addr=chosen.get("admin_addr"), tls=tls)


def system_config(settings: Settings, *, admin_addr: str | None = None, tls: TLSConfig | None = None) -> SystemConfig:
    """What a system is made with, out of all settings.

    Args:
        settings: with their sources.
        admin_addr: that of an argument or a flag; one of a file or of the environment alone makes no system serve the
            admin plane that would not otherwise.
        tls: certificates that were given as an argument.

    Raises:
        ValueError: values exclude each other.
    """
    names = {field.name: _FIELDS.get(field.name, field.name) for field in fields(SystemConfig)}
    read = {name: settings[key].value for name, key in names.items() if key in settings}
    read["admin_addr"] = admin_addr
    return SystemConfig(**read, tls=tls or _tls_from(settings), settings=settings)


def _tls_from(settings: Settings) -> TLSConfig | None:
    parts = [settings[f"tls.{part}"] for part in ("ca", "cert", "key")]
    ca, cert, key = (part.value for part in parts)
    if ca and cert and key:
        return TLSConfig(ca, cert, key)
    if ca or cert or key:
        missing = ", ".join(str(part.option.env) for part in parts if not part.value)
        raise ValueError(f"tls.ca, tls.cert and tls.key go together; {missing} is not set")
    return None
