"""How nodes reach each other: one seam, and the networks behind it."""

from __future__ import annotations

from pulsing.transport.base import (
    Attach,
    Buffer,
    Connection,
    ConnectionFault,
    ConnectionHandler,
    DialFailed,
    DialledSelf,
    Listener,
    PeerInfo,
    Transport,
)
from pulsing.transport.gate import Channel, Gate
from pulsing.transport.limits import Limits

__all__ = [
    "Attach",
    "Buffer",
    "Channel",
    "Connection",
    "ConnectionFault",
    "ConnectionHandler",
    "DialFailed",
    "DialledSelf",
    "Gate",
    "Limits",
    "Listener",
    "PeerInfo",
    "Transport",
]
