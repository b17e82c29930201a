"""How much one value, frame or link may ask of its receiver."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB

CHUNK = 256 * KIB
"""Size of the pieces in which attachments travel, so that a small frame never waits behind more than one of them."""

PORTION = 64 * KIB
"""Bytes of frames, chunks apart, after which the rest of a message is left to the next turn of the loop: 64 KiB of
empty maps take 15 ms."""
PORTION_FRAMES = 1024
"""Frames after which it is left to the next turn before that."""

ACTIVE_TRANSFERS = 4
"""Large values that a sender may have begun and not finished on one link; of the others only the heads go out."""


@dataclass(frozen=True)
class Limits:
    """Bounds that encoder and decoder both keep, so that a value refused there is refused here first."""

    depth: int = 64
    """Containers within containers."""

    entries: int = 65_536
    """Elements of one list, map, set or tuple."""

    structured: int = 256 * KIB
    """Bytes of the msgpack part of a value; at most 1 MiB, since 1 MiB of empty maps becomes 90 MiB of objects."""

    inline: int = 8 * KIB
    """Bytes-like values above this travel as attachments beside the msgpack part, which is scanned and copied; and so
    do texts in values that are not small as a whole."""

    message: int = 16 * MIB
    """Bytes of one value with its attachments."""

    frames: int = 16_384
    """Frames in one WebSocket message."""

    heads: int = MIB
    """Bytes of the frames in one WebSocket message, chunks apart: a megabyte of empty maps takes 90 MiB."""

    def __post_init__(self) -> None:
        if not 0 < self.structured <= MIB:
            raise ValueError(f"the structured part of a value is limited to 1 MiB, got {self.structured} bytes")
        if self.heads < 2 * self.structured:
            raise ValueError(f"the heads of a message need room for two values of {self.structured} bytes")
        if not 0 < self.message < 1 << 32:
            raise ValueError(f"a message has less than 4 GiB, got a limit of {self.message} bytes")
        if not 0 < self.depth <= 512:
            raise ValueError(f"a depth between 1 and 512 is needed, got {self.depth}")

    @property
    def assembling(self) -> int:
        """Bytes of incomplete values that one link may hold on the receiving side.

        Half of it is for the transfers that a correct peer has under way, half for the heads of those that wait.
        """
        return 2 * ACTIVE_TRANSFERS * self.message
