"""Optional envelopes for `receive`: a typed payload, or a stream of items behind a type."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from pulsing.core.streams import Channel, StreamReader, StreamWriter


class Message:
    """A message type with a payload of bytes, or with a stream of items.

    Args:
        msg_type: what kind of message it is.
        payload: its bytes; None for none.

    Raises:
        TypeError: the type is no text, or the payload has no bytes.
    """

    __slots__ = ("_consumed", "_reader", "msg_type", "payload")

    def __init__(self, msg_type: str, payload: bytes | None = None) -> None:
        if not isinstance(msg_type, str):
            raise TypeError(f"the type of a message is a text, not {type(msg_type).__name__}")
        self.msg_type = msg_type
        if payload is not None and not isinstance(payload, (bytes, bytearray, memoryview)):
            raise TypeError(f"the payload of a message is bytes, not {type(payload).__name__}")
        self.payload = payload if type(payload) is bytes else bytes(payload or b"")
        self._reader: StreamReader | None = None
        self._consumed = False

    @classmethod
    def from_json(cls, msg_type: str, obj: Any) -> Message:
        """A message whose payload is `obj` as JSON."""
        return cls(msg_type, json.dumps(obj).encode())

    @classmethod
    def empty(cls) -> Message:
        """A message without type and payload."""
        return cls("")

    @classmethod
    def streaming(cls, msg_type: str, items: StreamReader | Channel) -> Message:
        """A message that stands for the items of a stream; dropping it unread ends the stream."""
        message = cls(msg_type)
        message._reader = StreamReader(items) if isinstance(items, Channel) else items
        return message

    @property
    def channel(self) -> Channel | None:
        """The buffer behind a stream that nobody reads yet."""
        return None if self._reader is None else self._reader._channel

    @property
    def is_stream(self) -> bool:
        """Whether items follow instead of a payload."""
        return self._reader is not None or self._consumed

    def to_json(self) -> Any:
        """The payload read as JSON.

        Raises:
            ValueError: it is not JSON, or this is a stream.
        """
        if self.is_stream:
            raise ValueError("a stream message has no payload to read as JSON")
        try:
            return json.loads(self.payload)
        except RecursionError:
            raise ValueError("the payload is JSON nested too deep to be read") from None

    def stream_reader(self) -> StreamReader:
        """Read the items, once.

        Raises:
            ValueError: this is a single message.
            RuntimeError: "Stream already consumed".
        """
        if self._consumed:
            raise RuntimeError("Stream already consumed")
        if self._reader is None:
            raise ValueError("this message is not a stream")
        self._consumed = True
        reader, self._reader = self._reader, None
        return reader

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.stream_reader()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return (self.msg_type, self.payload, self._reader) == (other.msg_type, other.payload, other._reader)

    def __hash__(self) -> int:
        return hash((self.msg_type, self.payload))

    def __repr__(self) -> str:
        what = "stream=True" if self.is_stream else f"payload_len={len(self.payload)}"
        return f"Message(msg_type={self.msg_type!r}, {what})"


class StreamMessage(Message):
    """What `receive` returns to answer with a stream that it writes by hand."""

    __slots__ = ()

    @staticmethod
    def create(msg_type: str, buffer_size: int = 32) -> tuple[StreamMessage, StreamWriter]:
        """Make the message to return and the writer that feeds it.

        Args:
            msg_type: what kind of stream it is.
            buffer_size: items that may wait unread before `write` waits.

        Raises:
            ValueError: there is no room for one item.
        """
        if isinstance(buffer_size, bool) or not isinstance(buffer_size, int) or buffer_size < 1:
            raise ValueError(f"a stream holds at least 1 item, got {buffer_size!r}")
        channel = Channel(buffer_size)
        message = StreamMessage(msg_type)
        message._reader = StreamReader(channel)
        return message, StreamWriter(channel)
