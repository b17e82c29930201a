"""Texts that would like to be markup, to turn the page round or to fill it, are shown as the texts that they are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import NARROW, Visit, routes_of, running_node, visiting
from tests.e2e.hostile_node import LONG_NAME, MARKS, RIGHT_TO_LEFT

pytestmark = [pytest.mark.shared_resources, pytest.mark.timeout(180)]

WATCH_POLICY = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", event => window.violations.push(
        `${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""
STRANGE = (
    "main script, main img, main iframe, main style, main svg[onload], main [onclick], main [onerror], main [onload]"
)
DETAILS = (
    f"actors/{RIGHT_TO_LEFT}",
    f"actors/{RIGHT_TO_LEFT}?tab=call",
    f"actors/{LONG_NAME}",
    "actors/medium",
    "actors/medium?tab=metadata",
    "actors?group=tree",
    "actors?spawn=1",
    "agents?talk=medium",
    "classes/__main__.Guest",
    "queues/curses",
    "topics/curses",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_node(tmp_path_factory.mktemp("home"), program="hostile_node.py") as (url, _):
        yield url


def looked_at(one: Visit, route: str) -> None:
    """Open a page and see that nothing on it is more than text."""
    one.go(route)
    expect(one.page.locator("main h1")).to_be_visible()
    expect(one.page.locator("main .skeleton")).to_have_count(0)
    assert one.page.locator(STRANGE).count() == 0, route
    assert one.page.evaluate("[window.harmed ?? null, window.violations]") == [None, []], route


@pytest.mark.parametrize("size", [(1280, 800), NARROW])
def test_five_hundred_hostile_texts_are_texts_on_every_page(
    browser: Browser, hostile: str, size: tuple[int, int]
) -> None:
    with visiting(browser, hostile, size) as one:
        one.page.add_init_script(WATCH_POLICY)
        one.log_in()
        for route in [*routes_of(one.page), *DETAILS]:
            looked_at(one, route)
            assert one.page.evaluate("document.documentElement.scrollWidth") <= size[0], route
            one.page.keyboard.press("Escape")
        assert one.complaints == []


def shown(page: Page, selector: str, text: str) -> None:
    expect(page.locator(selector).filter(has_text=text).first).to_be_attached()


def test_markup_is_readable_where_it_was_written(browser: Browser, hostile: str) -> None:
    with visiting(browser, hostile) as one:
        one.log_in()
        one.go("agents")
        shown(one.page, "article", MARKS[0])
        shown(one.page, "article .goal", MARKS[1])
        one.go("queues/curses")
        shown(one.page, ".records", MARKS[0])
        one.go(f"actors/{RIGHT_TO_LEFT}")
        shown(one.page, ".log .what", MARKS[0])
        one.go("dead-letters")
        shown(one.page, "main tbody", "window.harmed")
        assert one.complaints == []


def test_a_text_that_turns_round_does_not_turn_what_stands_beside_it(browser: Browser, hostile: str) -> None:
    with visiting(browser, hostile) as one:
        one.log_in()
        one.go(f"actors?search={RIGHT_TO_LEFT}")
        expect(one.page.locator("main tbody tr[data-key]")).to_have_count(1)
        for selector in ("main tbody .name", "main tbody td"):
            style = one.page.locator(selector).first.evaluate("each => getComputedStyle(each).unicodeBidi")
            assert style in ("isolate", "plaintext"), selector


def test_a_message_that_is_markup_is_a_line_of_the_tail(browser: Browser, hostile: str) -> None:
    with visiting(browser, hostile) as one:
        one.page.add_init_script(WATCH_POLICY)
        one.log_in()
        one.go("topics/curses")
        with one.page.expect_response(lambda answer: "/tail" in answer.url):
            one.page.get_by_role("button", name="Follow").click()
        expect(one.page.get_by_text("Waiting for the next message.")).to_be_visible()
        for mark in MARKS[:8]:
            one.page.locator("textarea[name=message]").fill(f'"{mark}"' if '"' not in mark else "{}")
            one.page.get_by_role("button", name="Publish", exact=True).click()
        shown(one.page, ".tail", MARKS[0])
        assert one.page.locator(STRANGE).count() == 0
        assert one.page.evaluate("[window.harmed ?? null, window.violations]") == [None, []]
        assert one.complaints == []
