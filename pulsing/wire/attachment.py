"""The bytes of a large value on the receiving side: gathered once, and given away without another copy."""

from __future__ import annotations

import io


class Attachment:
    """One attachment, which grows by what arrives and is used up by whoever takes it.

    What comes in several pieces is written to its place at once: joining eight megabytes at the end would hold the loop
    for as long as a small call may wait in all.

    Args:
        size: bytes in all.
        reserve: set memory aside for all of them now, instead of as they come.
    """

    __slots__ = ("_gathered", "size")

    def __init__(self, size: int, *, reserve: bool = False) -> None:
        self.size = size
        # The buffer keeps these zeros as its own, and gives them away in the end, both without a copy.
        self._gathered = io.BytesIO(bytes(size)) if reserve else io.BytesIO()

    @classmethod
    def whole(cls, data: memoryview) -> Attachment:
        """An attachment that has arrived in one piece."""
        attachment = cls.__new__(cls)
        attachment.size = len(data)
        attachment._gathered = io.BytesIO(bytes(data))
        return attachment

    def write(self, piece: memoryview) -> memoryview:
        """Take of a piece what belongs here; returns the rest."""
        missing = self.size - self._gathered.tell()
        self._gathered.write(piece[:missing])
        return piece[missing:]

    @property
    def is_complete(self) -> bool:
        return self._gathered.tell() == self.size

    def take_bytes(self) -> bytes:
        """The bytes as such."""
        return self._gathered.getvalue()

    def take_buffer(self) -> memoryview:
        """The memory itself, for an object over it that may be written to."""
        return self._gathered.getbuffer()
