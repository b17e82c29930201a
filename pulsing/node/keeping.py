"""Encodes the messages of dead letters as links would, so that what could be sent once can be sent again."""

from __future__ import annotations

from pulsing.core.keeping import MESSAGE_BYTES, Call
from pulsing.core.system import System
from pulsing.node.references import teach
from pulsing.wire import Codec, Limits, default_registry


class LetterPacking:
    """The packing of one system's dead letters; never by pickle."""

    def __init__(self, system: System) -> None:
        registry = default_registry.child()
        teach(registry, system)
        self._codec = Codec(registry, limits=Limits(structured=MESSAGE_BYTES, message=MESSAGE_BYTES))

    def pack(self, call: Call) -> bytes:
        """Encode a call.

        Raises:
            NotSendable: a part has no encoding, or it is too large to be kept.
        """
        method, args, kwargs = call
        return self._codec.encode([method, list(args), kwargs])

    def unpack(self, data: bytes) -> Call:
        """Decode a call.

        Raises:
            DecodeError: a class is no longer registered.
        """
        method, args, kwargs = self._codec.decode(data)
        return method, tuple(args), kwargs
