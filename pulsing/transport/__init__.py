"""How nodes reach each other: one seam, and the networks behind it."""

from __future__ import annotations

from pulsing.transport.base import (
    Attach,
    Buffer,
    Connection,
    ConnectionHandler,
    DialFailed,
    DialledSelf,
    Listener,
    PeerInfo,
    Transport,
)

__all__ = [
    "Attach",
    "Buffer",
    "Connection",
    "ConnectionHandler",
    "DialFailed",
    "DialledSelf",
    "Listener",
    "PeerInfo",
    "Transport",
]
