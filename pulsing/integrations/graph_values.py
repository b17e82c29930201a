"""Values of a LangGraph on their way, in LangGraph's own encoding, without pickle."""

from __future__ import annotations

from typing import Any


def encoded(value: Any) -> tuple[str, bytes]:
    """The kind of the encoding, and the bytes.

    Raises:
        TypeError: LangGraph cannot encode it; or whatever an encoder of somebody's own raises.
    """
    found: tuple[str, bytes] = _serializer().dumps_typed(value)
    return found


def decoded(kind: str, data: bytes) -> Any:
    """What was encoded; tuples have become lists."""
    return _serializer().loads_typed((kind, data))


def _serializer() -> Any:
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    return JsonPlusSerializer(pickle_fallback=False)
