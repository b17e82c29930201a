"""Every bound of a node's connections, in one place. Sizes are bytes, times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What one connection or listener may take."""

    max_message: int = 16 * MIB
    max_fragment: int = 8 * MIB
    max_headers: int = 32
    max_opening: int = 64 * 1024
    """What an unproven connection may send in all."""
    write_high: int = 256 * 1024
    """Unsent bytes over which the sender is told to hold back."""
    dial_timeout: float = 2.0
    """For one dial: look-up of the name, TCP, TLS and upgrade. A host that drops packets would hold it for minutes."""
    open_timeout: float = 5.0
    """From accept to the confirmation."""
    close_timeout: float = 0.5
    """The usual 10 s would hide a peer that fell silent."""
    write_timeout: float = 10.0
    """Without progress for this long, a peer that is being written to is dropped."""
    refusal_delay: float = 10.0
    """For a limited address that several users share."""
    max_unproven: int = 64
    max_unproven_per_address: int = 8
    max_failures: int = 5
    """Refused proofs a minute from one address."""
