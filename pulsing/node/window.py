"""How many messages may be under way to a peer that has not yet given room for more."""

from __future__ import annotations

from collections import deque

WINDOW_FRAMES = 256
WINDOW_BYTES = 8 * 1024 * 1024
CREDIT_EVERY = 64
"""The receiver gives room back in portions of so many messages,"""
CREDIT_EVERY_BYTES = WINDOW_BYTES // 8
"""or as soon as so many bytes have come since the last time: two large values fill the window."""


class SendWindow:
    """The sender's account of one direction of a link.

    Room comes back in numbers of messages. Their sizes are known here, and are given back in the order of sending.
    """

    __slots__ = ("_bytes", "_sizes")

    def __init__(self) -> None:
        self._sizes: deque[int] = deque()
        self._bytes = 0

    @property
    def open(self) -> bool:
        """Whether one more message may go; a message larger than the whole window goes alone."""
        return len(self._sizes) < WINDOW_FRAMES and self._bytes < WINDOW_BYTES

    def take(self, size: int) -> None:
        """Note a message of `size` bytes that goes out."""
        self._sizes.append(size)
        self._bytes += size

    def give_back(self, messages: int) -> None:
        """Note that the receiver has taken in so many messages."""
        for _ in range(min(messages, len(self._sizes))):
            self._bytes -= self._sizes.popleft()

    @property
    def pending_frames(self) -> int:
        return len(self._sizes)

    @property
    def pending_bytes(self) -> int:
        return self._bytes
