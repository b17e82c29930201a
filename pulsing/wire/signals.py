"""Frames that carry no value, as bytes and back.

The functions take the codec that calls them, as those of frames with values do, and need nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pulsing.wire.frames import Cancel, Credit, Frame, Full, Goodbye, Ping, Pong, Room
from pulsing.wire.layout import (
    CANCEL_TAG,
    CREDIT,
    CREDIT_SIZE,
    CREDIT_TAG,
    FULL_TAG,
    GOODBYE_TAG,
    HEAD,
    NONCE,
    NONCE_SIZE,
    PING_TAG,
    PONG_TAG,
    REASON_LIMIT,
    REQUEST,
    REQUEST_SIZE,
    ROOM_TAG,
    TARGET,
    TARGET_SIZE,
)


def _encode_cancel(_: object, frame: Cancel) -> bytes:
    return REQUEST.pack(CANCEL_TAG, REQUEST_SIZE, 0, frame.request_id)


def _decode_cancel(_: object, message: bytes, start: int, end: int) -> Cancel:
    return Cancel(REQUEST.unpack_from(message, start - 5)[3])


def _encode_credit(_: object, frame: Credit) -> bytes:
    return CREDIT.pack(CREDIT_TAG, CREDIT_SIZE, *frame)


def _decode_credit(_: object, message: bytes, start: int, end: int) -> Credit:
    return Credit(*CREDIT.unpack_from(message, start - 5)[2:])


def _encode_ping(_: object, frame: Ping) -> bytes:
    return NONCE.pack(PING_TAG, NONCE_SIZE, frame.nonce)


def _decode_ping(_: object, message: bytes, start: int, end: int) -> Ping:
    return Ping(NONCE.unpack_from(message, start - 5)[2])


def _encode_pong(_: object, frame: Pong) -> bytes:
    return NONCE.pack(PONG_TAG, NONCE_SIZE, frame.nonce)


def _decode_pong(_: object, message: bytes, start: int, end: int) -> Pong:
    return Pong(NONCE.unpack_from(message, start - 5)[2])


def _encode_goodbye(_: object, frame: Goodbye) -> bytes:
    reason = frame.reason.encode("utf-8", "replace")[:REASON_LIMIT].decode("utf-8", "ignore").encode()
    return HEAD.pack(GOODBYE_TAG, len(reason)) + reason


def _decode_goodbye(_: object, message: bytes, start: int, end: int) -> Goodbye:
    return Goodbye(str(message[start:end], "utf-8"))


def _encode_full(_: object, frame: Full) -> bytes:
    return TARGET.pack(FULL_TAG, TARGET_SIZE, frame.target.to_bytes(16, "big"))


def _decode_full(_: object, message: bytes, start: int, end: int) -> Full:
    return Full(int.from_bytes(message[start:end], "big"))


def _encode_room(_: object, frame: Room) -> bytes:
    return TARGET.pack(ROOM_TAG, TARGET_SIZE, frame.target.to_bytes(16, "big"))


def _decode_room(_: object, message: bytes, start: int, end: int) -> Room:
    return Room(int.from_bytes(message[start:end], "big"))


ENCODERS: Mapping[type, Callable[[object, Any], bytes]] = {
    Cancel: _encode_cancel,
    Credit: _encode_credit,
    Ping: _encode_ping,
    Pong: _encode_pong,
    Goodbye: _encode_goodbye,
    Full: _encode_full,
    Room: _encode_room,
}

DECODERS: Mapping[int, tuple[Callable[[object, bytes, int, int], Frame], int, int]] = {
    CANCEL_TAG: (_decode_cancel, REQUEST_SIZE, REQUEST_SIZE),
    CREDIT_TAG: (_decode_credit, CREDIT_SIZE, CREDIT_SIZE),
    PING_TAG: (_decode_ping, NONCE_SIZE, NONCE_SIZE),
    PONG_TAG: (_decode_pong, NONCE_SIZE, NONCE_SIZE),
    GOODBYE_TAG: (_decode_goodbye, 0, REASON_LIMIT),
    FULL_TAG: (_decode_full, TARGET_SIZE, TARGET_SIZE),
    ROOM_TAG: (_decode_room, TARGET_SIZE, TARGET_SIZE),
}
"""For each tag its decoder, and the least and the greatest length of the rest of its frame."""
