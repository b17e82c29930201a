"""The page about the protocol shows the tables, tags, layout and limits that the code has."""

from __future__ import annotations

from pulsing.wire import FrameTag
from tests.unit.wire import protocol_page


def test_the_generated_parts_of_the_page_are_those_of_the_code() -> None:
    page = protocol_page.PAGE.read_text()
    assert page == protocol_page.drawn(page), "draw the page anew: python tests/unit/wire/protocol_page.py"


def test_the_page_has_every_generated_part_and_every_tag() -> None:
    page = protocol_page.PAGE.read_text()
    assert all(f"<!-- generated: {name} -->" in page for name in protocol_page.BLOCKS)
    assert all(f"| {tag.value} | `{tag.name.lower()}` |" in page for tag in FrameTag)
