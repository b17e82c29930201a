"""How frames lie in bytes; any number of frames, back to back, make one WebSocket message.

    frame   = tag (1) | length (4) | rest                     length counts the bytes of rest; numbers are big-endian
    ask     = flags (1) | name length (1) | deadline ms (4) | request (8) | sequence (8) | target (16)
              | [trace (25)] | [sender (16)] | method | [transfer] | value      tell: the same, request and deadline 0
    reply, stream item, failure, end = flags (1) | request (8) | [transfer] | value
    cancel  = flags (1) | request (8)
    credit  = request (8) | count (4)
    chunk   = transfer (4) | bytes
    ping, pong = nonce (8)
    goodbye = reason          full, room = target (16)
    transfer = number (4) | count (4) | size (4) of each attachment

The length of a frame says where the next one begins, also to those who cannot read what is in it.
"""

from __future__ import annotations

import struct

from pulsing.wire.frames import FrameTag, StreamKind
from pulsing.wire.limits import KIB

# Looking a member up and packing it costs more than the packing of the rest; these are plain integers.
(
    ASK_TAG,
    TELL_TAG,
    REPLY_TAG,
    FAILURE_TAG,
    CANCEL_TAG,
    STREAM_ITEM_TAG,
    CREDIT_TAG,
    END_TAG,
    CHUNK_TAG,
    PING_TAG,
    PONG_TAG,
    GOODBYE_TAG,
    _,
    FULL_TAG,
    ROOM_TAG,
) = map(int, FrameTag)

HEAD = struct.Struct(">BI")
CALL = struct.Struct(">BIBBIQQ16s")
REQUEST = struct.Struct(">BIBQ")
CREDIT = struct.Struct(">BIQI")
NONCE = struct.Struct(">BIQ")
TARGET = struct.Struct(">BI16s")
CHUNK_HEAD = struct.Struct(">BII")
TRANSFER = struct.Struct(">II")

CALL_SIZE = CALL.size - HEAD.size
REQUEST_SIZE = REQUEST.size - HEAD.size
CREDIT_SIZE = CREDIT.size - HEAD.size
NONCE_SIZE = NONCE.size - HEAD.size
TARGET_SIZE = TARGET.size - HEAD.size

NO_DEADLINE = 0xFFFFFFFF
TRACE_SIZE = 25

# Flags of ask and tell.
HAS_METHOD = 1
HAS_KWARGS = 2
WANTS_STREAM = 4
HAS_TRACE = 8
HAS_SENDER = 16
UNKNOWN_FLAGS = 32 | 64

# Flags of reply; of end, the first says that a failure follows.
KIND_OF_FLAG: tuple[StreamKind, ...] = (None, "sync", "async")
FLAG_OF_KIND: dict[StreamKind, int] = {None: 0, "sync": 1, "async": 2}
HAS_FAILURE = 1
HAS_TRANSFER = 128

IN_LIST = 1
IN_CALL = 2
"""The containers of the frame itself, which do not count among those of the user's value."""

REASON_LIMIT = KIB
