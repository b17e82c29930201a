"""What travels on a link, as bytes: values, frames and failures. Pure: no sockets, no clock, no randomness."""

from pulsing.wire.codec import FrameCodec
from pulsing.wire.encoded import EncodedFrame
from pulsing.wire.errors import DecodeError, ProtocolError
from pulsing.wire.failures import FailureRecord, from_failure, to_failure
from pulsing.wire.frames import (
    Ask,
    Cancel,
    Credit,
    End,
    Failure,
    Frame,
    FrameTag,
    Full,
    Goodbye,
    Ping,
    Pong,
    Reply,
    Room,
    StreamItem,
    StreamKind,
    Tell,
    Undecodable,
)
from pulsing.wire.limits import ACTIVE_TRANSFERS, CHUNK, Limits
from pulsing.wire.registry import TypeRegistry, default_registry, wire_name
from pulsing.wire.tags import Packed
from pulsing.wire.values import Codec

__all__ = [
    "ACTIVE_TRANSFERS",
    "CHUNK",
    "Ask",
    "Cancel",
    "Codec",
    "Credit",
    "DecodeError",
    "EncodedFrame",
    "End",
    "Failure",
    "FailureRecord",
    "Frame",
    "FrameCodec",
    "FrameTag",
    "Full",
    "Goodbye",
    "Limits",
    "Packed",
    "Ping",
    "Pong",
    "ProtocolError",
    "Reply",
    "Room",
    "StreamItem",
    "StreamKind",
    "Tell",
    "TypeRegistry",
    "Undecodable",
    "default_registry",
    "from_failure",
    "to_failure",
    "wire_name",
]
