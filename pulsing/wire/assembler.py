"""Large values put together again from chunks, without letting a message overtake an earlier one to the same actor.

A frame whose value has attachments is announced by its head, at its place in the order of frames; its chunks follow
between other frames. Until it is complete, later frames of its *lane* wait behind it, and all others pass: a lane is
one actor for messages to it, one request for answers to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from pulsing.wire.attachment import Attachment
from pulsing.wire.errors import ProtocolError
from pulsing.wire.frames import Ask, Cancel, Credit, End, Failure, Frame, Reply, StreamItem, Tell
from pulsing.wire.limits import Limits

Lane: TypeAlias = tuple[str, int]
Finish: TypeAlias = "Callable[[Sequence[Attachment] | None], Frame]"
"""Makes the frame of its attachments; None where they were not kept."""

# As many answers may be announced at once as there are requests; their number is bounded elsewhere.
TRANSFERS_LIMIT = 65_536


class _Transfer:
    """One frame that waits for its attachments."""

    def __init__(self, sizes: Sequence[int], head_size: int, finish: Finish) -> None:
        self.head_size = head_size
        self.total = sum(sizes)
        self.finish = finish
        self.received = 0
        self.reserved = 0
        """Bytes that were set aside for what is still to come."""
        self.kept = True
        """Whether there is room for it; else its bytes are only counted."""
        self.attachments: list[Attachment] = []
        """Those that are complete."""
        self._sizes = sizes
        self._begun: Attachment | None = None

    @property
    def is_complete(self) -> bool:
        return self.received == self.total

    def take(self, piece: memoryview, reserve: bool) -> None:
        """Add a chunk; `reserve` sets memory aside for the whole of each attachment that it begins."""
        self.received += len(piece)
        while piece and self.kept:
            if self._begun is None:
                size = self._sizes[len(self.attachments)]
                if len(piece) >= size:
                    self.attachments.append(Attachment.whole(piece[:size]))
                    piece = piece[size:]
                    continue
                self._begun = Attachment(size, reserve=reserve)
                self.reserved += size if reserve else 0
            piece = self._begun.write(piece)
            if self._begun.is_complete:
                self.attachments.append(self._begun)
                self._begun = None


class _Held:
    """One complete frame that waits behind a transfer of its lane."""

    def __init__(self, frame: Frame, size: int) -> None:
        self.frame = frame
        self.size = size


class Assembler:
    """The incomplete frames of one direction of one link, within the limits of the link.

    Args:
        limits: of the link.
        admits: whether there is room for a value of so many bytes, asked when the first of them come.
    """

    def __init__(self, limits: Limits, admits: Callable[[int], bool] = lambda size: True) -> None:
        self._limits = limits
        self._admits = admits
        self._transfers: dict[int, tuple[_Transfer, Lane]] = {}
        self.lanes: dict[Lane, deque[_Transfer | _Held]] = {}
        """What waits in each lane; while this is empty, every frame may pass."""
        self._asked: dict[int, Lane] = {}
        self.begun_bytes = 0
        """Of the values that are kept and of which some bytes are here, in full."""
        self._bytes = 0
        self._reserved = 0

    @property
    def holds_messages(self) -> bool:
        """Whether a message to an actor waits for its attachments, or behind one that does."""
        return any(kind == "actor" for kind, _ in self.lanes)

    @property
    def held_bytes(self) -> int:
        """Bytes of incomplete values and of the frames behind them."""
        return self._bytes

    def begin(
        self,
        transfer_id: int,
        sizes: Sequence[int],
        head_size: int,
        lane: Lane,
        request_id: int | None,
        finish: Finish,
    ) -> None:
        """Await the attachments of a frame.

        Args:
            transfer_id: what its chunks will name.
            sizes: of its attachments, in bytes.
            head_size: bytes of what is already here.
            lane: in which later frames wait for it.
            request_id: of the ask, if it is one.
            finish: makes the frame once the attachments are there.

        Raises:
            ProtocolError: the number is in use, or a limit is exceeded.
        """
        if transfer_id in self._transfers or len(self._transfers) >= TRANSFERS_LIMIT:
            raise ProtocolError(f"transfer {transfer_id} is already open, or too many are")
        if not all(sizes) or sum(sizes) > self._limits.message:
            raise ProtocolError(f"a value of {sum(sizes)} bytes in attachments exceeds the limits")
        self._count(head_size)
        transfer = _Transfer(sizes, head_size, finish)
        self._transfers[transfer_id] = transfer, lane
        self.lanes.setdefault(lane, deque()).append(transfer)
        if request_id is not None:
            self._asked[request_id] = lane

    def add(self, transfer_id: int, piece: memoryview) -> list[Frame]:
        """Take one chunk.

        Returns:
            The frames that are complete by it, in order.

        Raises:
            ProtocolError: nobody awaits the chunk, or a limit is exceeded.
        """
        if transfer_id not in self._transfers:
            raise ProtocolError(f"a chunk of transfer {transfer_id}, which is not open")
        transfer, lane = self._transfers[transfer_id]
        if not piece or transfer.received + len(piece) > transfer.total:
            raise ProtocolError(f"the chunks of transfer {transfer_id} do not add up to its size")
        self._count(len(piece))
        if transfer.received == 0:
            transfer.kept = self._admits(transfer.total)
            self.begun_bytes += transfer.total if transfer.kept else 0
        before = transfer.reserved
        transfer.take(piece, reserve=self._reserved + transfer.total <= self._limits.assembling)
        self._reserved += transfer.reserved - before
        if not transfer.is_complete:
            return []
        del self._transfers[transfer_id]
        return self._drain(lane)

    def hold(self, frame: Frame, size: int) -> bool:
        """Keep a frame back if an earlier one of its lane is incomplete; `size` is its length in bytes."""
        lane = self._lane(frame)
        if lane is None or lane not in self.lanes:
            return False
        self._count(size)
        self.lanes[lane].append(_Held(frame, size))
        if type(frame) is Ask:
            self._asked[frame.request_id] = lane
        return True

    def _lane(self, frame: Frame) -> Lane | None:
        if type(frame) is Cancel or type(frame) is Credit:
            return self._asked.get(frame.request_id)
        return lane_of(frame)

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > self._limits.assembling:
            raise ProtocolError(f"incomplete values exceed {self._limits.assembling} bytes")

    def _drain(self, lane: Lane) -> list[Frame]:
        waiting = self.lanes[lane]
        ready: list[Frame] = []
        while waiting:
            first = waiting[0]
            if isinstance(first, _Transfer):
                if not first.is_complete:
                    return ready
                self._bytes -= first.total + first.head_size
                self._reserved -= first.reserved
                self.begun_bytes -= first.total if first.kept else 0
                frame = first.finish(first.attachments if first.kept else None)
            else:
                self._bytes -= first.size
                frame = first.frame
            waiting.popleft()
            if type(frame) is Ask:
                self._asked.pop(frame.request_id, None)
            ready.append(frame)
        del self.lanes[lane]
        return ready


def lane_of(frame: Frame) -> Lane | None:
    """In which order a frame keeps its place; None where it may overtake all others."""
    if isinstance(frame, (Ask, Tell)):
        return "actor", frame.target
    if isinstance(frame, (Reply, Failure, StreamItem, End)):
        return "request", frame.request_id
    return None
