"""The events of the cluster as server-sent events, resumable by their number."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from pulsing.admin.relay import Keep, Numbered, Relay
from pulsing.admin.replies import encode
from pulsing.core.following import Following, Missed


async def follow(
    relay: Relay, following: Following[Numbered], epoch: str, keep: Keep, last_event_id: str | None
) -> AsyncGenerator[bytes, None]:
    """Events as frames; first those after `last_event_id`, as far as they are still kept."""
    yield b"retry: 2000\n\n"
    shown = 0
    for frame, number in _missed_frames(relay, epoch, keep, last_event_id):
        shown = max(shown, number)
        yield frame
    async for event in following:
        if isinstance(event, Missed):
            yield _gap(event.count)
        elif event[0] > shown:
            yield _frame(epoch, event)


def _missed_frames(relay: Relay, epoch: str, keep: Keep, last_event_id: str | None) -> list[tuple[bytes, int]]:
    known_epoch, _, number = (last_event_id or "").partition(".")
    if not (known_epoch and number.isdecimal() and len(number) < 16):
        return []
    if known_epoch != epoch:
        return [(_gap(None), 0)]
    events, complete = relay.since(int(number), keep)
    frames = [] if complete else [(_gap(None), 0)]
    return frames + [(_frame(epoch, event), event[0]) for event in events]


def _frame(epoch: str, event: Numbered) -> bytes:
    number, row = event
    id = f"{epoch}.{number}"
    return f"id: {id}\nevent: {row['type']}\ndata: ".encode() + encode({**row, "id": id}) + b"\n\n"


def _gap(missed: int | None) -> bytes:
    return b"event: gap\ndata: " + encode({"missed": missed}) + b"\n\n"
