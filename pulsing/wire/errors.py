"""What can be wrong with bytes that came from another node, by how far the harm reaches."""

from __future__ import annotations

from pulsing.exceptions import PulsingRuntimeError


class ProtocolError(PulsingRuntimeError, ValueError):
    """The bytes are nothing that a node of this protocol sends; the link that brought them is closed."""


class DecodeError(PulsingRuntimeError, ValueError):
    """One value is well-formed and cannot be built here: its class is unknown, or refuses its content.

    Only the message that carries the value fails; the link goes on.
    """


class NoRoom(DecodeError):
    """A large value came while too much else was coming in; its bytes were not kept."""

    def __init__(self, size: int) -> None:
        super().__init__(f"there was no room for its {size} bytes among all that came in")
