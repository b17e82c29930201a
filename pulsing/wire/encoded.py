"""A frame as it is sent: its head in the order of frames, and the chunks of a large value between other frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pulsing.wire.layout import CHUNK_HEAD, CHUNK_TAG
from pulsing.wire.limits import CHUNK
from pulsing.wire.tags import Buffer


@dataclass(slots=True)
class EncodedFrame:
    """One frame, ready to be joined with others into a WebSocket message."""

    head: bytes
    """To be sent in the order of the frames."""

    chunks: Iterator[tuple[Buffer, ...]] | None = None
    """What follows of a large value: for each chunk the buffers to be joined, to be sent in their order, between
    whatever other frames, and begun in the order of the heads with at most `ACTIVE_TRANSFERS` under way at a time.
    None for most frames."""

    attached: int = 0
    """Bytes in all chunks together, without their heads."""

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.head) + self.attached


def chunks_of(transfer_id: int, attachments: Sequence[bytes]) -> Iterator[tuple[Buffer, ...]]:
    """Cut the attachments, as if they were one, into chunk frames; the buffers are views of them."""
    room = CHUNK
    views: list[Buffer] = []
    for attachment in attachments:
        view = memoryview(attachment)
        while view:
            piece, view = view[:room], view[room:]
            views.append(piece)
            room -= len(piece)
            if room == 0:
                yield _chunk(transfer_id, views)
                room, views = CHUNK, []
    if views:
        yield _chunk(transfer_id, views)


def _chunk(transfer_id: int, views: Sequence[Buffer]) -> tuple[Buffer, ...]:
    return CHUNK_HEAD.pack(CHUNK_TAG, 4 + sum(map(len, views)), transfer_id), *views
