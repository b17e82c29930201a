"""What an admin app is told: one frozen value, checked when it is made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, get_args

from pulsing.settings import THRESHOLDS, Settings, Threshold

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

ACTIONS = frozenset(
    {
        "actor.spawn",
        "actor.call",
        "actor.tell",
        "actor.stop",
        "actor.restart",
        "actor.tag",
        "queue.create",
        "queue.put",
        "queue.flush",
        "queue.trim",
        "queue.purge",
        "queue.delete",
        "topic.publish",
        "topic.evict",
        "dead_letter.replay",
        "dead_letter.clear",
        "session.code",
        "cluster.join",
    }
)
"""Everything that can be refused by name."""


@dataclass(frozen=True)
class Principal:
    """Who asks."""

    name: str
    role: Role
    source: Literal["token", "session", "app"] = "token"

    def may(self, role: Role) -> bool:
        """Whether this principal's role includes `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class NamedToken:
    """A configured token: only its SHA-256 is known."""

    name: str
    role: Role
    sha256: str

    @classmethod
    def of(cls, name: str, role: Role, token: str) -> NamedToken:
        """The entry for a token in clear text."""
        return cls(name, role, hashlib.sha256(token.encode()).hexdigest())


def default_token_file() -> Path:
    """The user's own token file, shared by all nodes of the user."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return Path(base or Path.home() / ".config") / "pulsing" / "admin.token"


@dataclass(frozen=True)
class AdminSettings:
    """How an admin app behaves; the defaults are the safe ones."""

    addr: str | None = None
    """"host:port" to listen on, taken exactly; None: 127.0.0.1:8700, else the next free port up to 8799"""
    public_url: str | None = None
    """where browsers and Prometheus reach the listener, when that differs from where it is bound"""
    root_path: str = ""
    """prefix under which a proxy shows the app without stripping it"""
    allowed_hosts: tuple[str, ...] = ()
    """further Host values, "name" (right port or none) or "name:port" """
    trusted_proxies: tuple[str, ...] = ()
    """addresses and networks whose `X-Forwarded-*` headers are believed"""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    """certificate and key, PEM files, for HTTPS on the listener; both or none"""
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    tokens: tuple[NamedToken, ...] = ()
    auth: Callable[[Any], Awaitable[Principal | None]] | None = None
    """for an app mounted into another: who asks, given the request; replaces tokens"""
    session_hours: float = 8.0
    metrics_auth: Literal["token", "open"] = "token"
    read_only: bool = False
    disabled_actions: frozenset[str] = frozenset()
    spawnable: tuple[str, ...] = ("*",)
    """globs over class names"""
    ui_enabled: bool = True
    ui_theme: Literal["auto", "light", "dark"] = "auto"
    """of browsers whose user has chosen none; auto is what their system says"""
    ui_title: str = "Pulsing"
    """what the dashboard calls itself"""
    ui_show_system: bool = False
    """whether the dashboard's list of actors has Pulsing's own as well"""
    tick_s: float = 1.0
    payloads: Literal["off", "types", "preview", "full"] = "full"
    """how much of arguments, results and records operators see"""
    preview_bytes: int = 512
    redact: tuple[str, ...] = ("*token*", "*password*", "*secret*", "*api_key*")
    metrics_enabled: bool = True
    metrics_detailed: bool = True
    metrics_openmetrics: bool = False
    """answer in OpenMetrics those who accept it"""
    legacy_names: bool = False
    """show three metrics under the names that they had earlier, too; in the text format"""
    metrics_exclude: tuple[str, ...] = ()
    """families to leave out; globs over names without `pulsing_`"""
    include_default_registry: bool = True
    max_pairs: int = 100
    max_classes: int = 50
    max_queues: int = 50
    max_topics: int = 50
    body_bytes: int = 1 << 20
    reply_bytes: int = 8 << 20
    in_flight: int = 64
    streams: int = 32
    fanout_s: float = 2.0
    actions_per_s: float = 20.0
    audit_capacity: int = 1_000
    history_enabled: bool = True
    thresholds: Mapping[str, Threshold] = field(default_factory=lambda: dict(THRESHOLDS))
    """when each check fails, by its name"""
    chosen: Settings | None = field(default=None, repr=False, compare=False)
    """the settings of the whole node with their sources, to be shown; None where a program made this by itself"""

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.disabled_actions) - ACTIONS):
            raise ValueError(f"not an action: {', '.join(unknown)}; the actions are {', '.join(sorted(ACTIONS))}")
        if not 0.25 <= self.tick_s <= 10:
            raise ValueError(f"tick_s lies between 0.25 and 10 seconds, got {self.tick_s}")
        if self.payloads not in ("off", "types", "preview", "full"):
            raise ValueError(f"payloads is off, types, preview or full, got {self.payloads!r}")
        if self.ui_theme not in ("auto", "light", "dark"):
            raise ValueError(f"ui_theme is auto, light or dark, got {self.ui_theme!r}")
        if self.metrics_auth not in ("token", "open"):
            raise ValueError(f"metrics_auth is token or open, got {self.metrics_auth!r}")
        if self.token is not None and len(self.token) < 16:
            raise ValueError("the admin token has at least 16 characters")
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together")
        for proxy in self.trusted_proxies:
            ip_network(proxy, strict=False)
        if self.root_path and (not self.root_path.startswith("/") or self.root_path.endswith("/")):
            raise ValueError(f"root_path begins with / and does not end with it, got {self.root_path!r}")

    @property
    def configured_credentials(self) -> bool:
        """Whether credentials were chosen by somebody, rather than made up for this user."""
        return bool(self.token or self.token_file or self.tokens or self.auth)
