"""The events of this node as server-sent events, resumable by their number."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from pulsing.admin.replies import encode
from pulsing.admin.times import rfc3339
from pulsing.core.events import Event, Missed, Subscription


async def follow(
    system: Any, subscription: Subscription, epoch: str, types: Sequence[str] | None, last_event_id: str | None
) -> AsyncGenerator[bytes, None]:
    """Events as frames; first those after `last_event_id`, as far as they are still kept."""
    yield b"retry: 2000\n\n"
    shown = 0
    for frame, seq in _missed_frames(system, epoch, types, last_event_id):
        shown = max(shown, seq)
        yield frame
    async for event in subscription:
        if isinstance(event, Missed):
            yield _gap(event.count)
        elif event.seq > shown:
            yield _frame(system, epoch, event)


def _missed_frames(
    system: Any, epoch: str, types: Sequence[str] | None, last_event_id: str | None
) -> list[tuple[bytes, int]]:
    known_epoch, _, number = (last_event_id or "").partition(".")
    if not (known_epoch and number.isdecimal() and len(number) < 16):
        return []
    if known_epoch != epoch:
        return [(_gap(None), 0)]
    events, lost = system.events.since(int(number))
    frames = [(_gap(lost), 0)] if lost else []
    return frames + [(_frame(system, epoch, event), event.seq) for event in events if _wanted(event, types)]


def _wanted(event: Event, types: Sequence[str] | None) -> bool:
    return types is None or any(
        event.type.startswith(wanted[:-1]) if wanted.endswith("*") else event.type == wanted for wanted in types
    )


def _frame(system: Any, epoch: str, event: Event) -> bytes:
    row = {
        "id": f"{epoch}.{event.seq}",
        "at": rfc3339(event.at),
        "node": str(system.node_id),
        "type": event.type,
        "subject": {"kind": event.subject_kind, "id": event.subject_id, "name": event.subject_name or None},
        "data": dict(event.data),
        "trace_id": event.trace_id,
    }
    return f"id: {epoch}.{event.seq}\nevent: {event.type}\ndata: ".encode() + encode(row) + b"\n\n"


def _gap(missed: int | None) -> bytes:
    return b"event: gap\ndata: " + encode({"missed": missed}) + b"\n\n"
