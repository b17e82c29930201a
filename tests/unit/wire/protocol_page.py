"""The parts of the protocol's page that are drawn from the code; run this file to draw them anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pulsing.wire.layout
from pulsing.wire import CHUNK, FrameTag, Limits, frames
from pulsing.wire.session import (
    FULL_ACTORS,
    NEWS,
    PENDING_ASKS,
    RECEIVED,
    SENT,
    SMALL,
    STREAM_CREDIT,
    WINDOW_BYTES,
    WINDOW_FRAMES,
    Promise,
    Stages,
)
from pulsing.wire.session import __doc__ as session_doc

PAGE = Path(__file__).parents[3] / "docs" / "design" / "protocol.md"

_BLOCK = re.compile(r"<!-- generated: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def drawn(page: str) -> str:
    """The page with all its generated blocks as the code has them now."""
    return _BLOCK.sub(lambda found: f"<!-- generated: {found[1]} -->\n{BLOCKS[found[1]]()}\n<!-- end -->", page)


def layout() -> str:
    """How frames look as bytes, as the codec tells it."""
    return _indented_part(pulsing.wire.layout.__doc__)


def diagram() -> str:
    """Where a request goes, as both ends see it, and each step of it."""
    steps = [(*step, "sent") for step in SENT.items()] + [(*step, "received") for step in RECEIVED.items()]
    lines = []
    for (stage, kind), following, way in steps:
        arrow = f" {name_of(kind)} {way} ".ljust(27, "─")
        lines.append(f"{stage.value:<13} ──{arrow}▶ {following.value}")
    return f"{_indented_part(session_doc)}\n\n" + _fenced(sorted(lines))


FRAMELESS = {
    FrameTag.CHUNK: "A piece of the attachments of an earlier frame.",
    FrameTag.GOSSIP: "Reserved, and refused: membership has links of its own.",
}


def tags() -> str:
    """Every tag with what its frame means."""
    rows = []
    for tag in FrameTag:
        frame = getattr(frames, "".join(word.title() for word in tag.name.split("_")), None)
        meaning = (frame.__doc__ or "").splitlines()[0] if frame else FRAMELESS[tag]
        rows.append((str(tag.value), f"`{tag.name.lower()}`", meaning))
    return _table(("tag", "frame", "meaning"), rows)


def sent() -> str:
    return _transitions(SENT, "sent")


def received() -> str:
    return _transitions(RECEIVED, "received")


def news() -> str:
    rows = [(phase.value, name_of(kind), following.value) for (phase, kind), following in NEWS.items()]
    return _table(("a side that is", "may say", "and is then"), rows)


def limits() -> str:
    """The bounds that both ends keep."""
    values = Limits()
    rows = [
        ("messages to actors under way", f"{WINDOW_FRAMES:,}"),
        ("bytes of them, above which only small ones go", _size(WINDOW_BYTES)),
        ("a small message", f"up to {_size(SMALL)}"),
        ("items of one stream under way", str(STREAM_CREDIT)),
        ("open requests of one side", f"{PENDING_ASKS:,}"),
        ("actors without room at a time", f"{FULL_ACTORS:,}"),
        ("one value with its attachments", _size(values.message)),
        ("its structured part", _size(values.structured)),
        ("its depth", str(values.depth)),
        ("entries of one container", f"{values.entries:,}"),
        ("frames in one WebSocket message", f"{values.frames:,}"),
        ("bytes of them, chunks apart", _size(values.heads)),
        ("incomplete values of one link", _size(values.assembling)),
        ("one chunk", _size(CHUNK)),
    ]
    return _table(("what", "at most"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "layout": layout,
    "tags": tags,
    "diagram": diagram,
    "sent": sent,
    "received": received,
    "news": news,
    "limits": limits,
}


def name_of(kind: type) -> str:
    """A frame in the words of the page."""
    if kind is Promise:
        return "reply: a stream"
    return re.sub(r"(?<!^)(?=[A-Z])", " ", kind.__name__).lower()


def _transitions(table: Stages, way: str) -> str:
    rows = [(stage.value, name_of(kind), following.value) for (stage, kind), following in table.items()]
    return _table(("a request that is", f"may see this {way}", "and is then"), rows)


def _indented_part(doc: str | None) -> str:
    """The first indented block of a docstring."""
    block = re.search(r"((?:^ {4}.*\n|^\n(?= {4}))+)", doc or "", re.MULTILINE)
    assert block is not None
    lines = block[1].strip("\n").rstrip().splitlines()
    indent = min(len(line) - len(line.lstrip()) for line in lines if line)
    return _fenced(line[indent:] for line in lines)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _fenced(lines: Iterable[str]) -> str:
    return "\n".join(("```text", *lines, "```"))


def _size(size: Any) -> str:
    return f"{size >> 20} MiB" if size >= 1 << 20 else f"{size >> 10} KiB"


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
