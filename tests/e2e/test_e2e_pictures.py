"""Every page of a cluster at work, in both themes, as a demanding reader and as one who cannot see would meet it.

With PULSING_PICTURES=docs/assets/pages in the environment the pictures of the documentation are made anew.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import PATIENCE_MS, WIDE, routes_of
from tests.integration.demo_process import Demo

pytestmark = [pytest.mark.shared_resources, pytest.mark.timeout(300)]

PICTURES = os.environ.get("PULSING_PICTURES")
AXE = Path(__file__).parents[2] / "dashboard" / "dev" / "node_modules" / "axe-core" / "axe.min.js"
QUALITY = 80
SETTLED_MS = 30_000 if PICTURES else 300
"""how long curves grow before pictures are taken"""
DETAILS = (
    "actors/analyst-1",
    "actors/analyst-1?tab=call",
    "actors?group=tree",
    "actors?spawn=1",
    "classes?view=methods",
    "queues/documents",
    "topics/findings",
)

GROWING = ("queues/documents", "topics/findings")
"""pages whose curves begin when they are opened"""


@pytest.fixture(scope="module")
def dashboard() -> Iterator[str]:
    """A link into the demo's dashboard, both nodes at work."""
    with contextlib.closing(Demo()) as demo:
        demo.wait_for_line(lambda line: re.match(r"[\d,]+ of [\d,]+ files", line))
        yield next(line for line in demo.lines if line.startswith("dashboard: ")).removeprefix("dashboard: ").strip()
        demo.process.send_signal(signal.SIGINT)
        demo.end()


@pytest.fixture(scope="module")
def page(browser: Browser, dashboard: str) -> Iterator[Page]:
    """The dashboard, logged in by the link, which works once."""
    context = browser.new_context(
        viewport={"width": WIDE[0], "height": WIDE[1]}, reduced_motion="reduce", bypass_csp=True
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(dashboard)
    expect(page.get_by_text("2 nodes: 2 alive")).to_be_visible()
    page.wait_for_timeout(SETTLED_MS)
    yield page
    context.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe, which `make test` installs with the other tools for the dashboard."""
    if AXE.is_file():
        return AXE.read_text()
    if os.environ.get("CI") == "true":
        pytest.fail("axe-core is missing; `make test` installs it")
    pytest.skip("axe-core is missing: `npm ci` in dashboard/dev installs it")


def serious(page: Page, axe: str) -> list[str]:
    """What axe finds on the page as it is and calls serious or critical."""
    if not page.evaluate("typeof globalThis.axe === 'object'"):
        page.evaluate(axe)
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run(document)).violations")
    return [
        f"{each['id']}: {node['html'][:160]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def picture_of(page: Page, route: str, theme: str) -> None:
    if PICTURES is None:
        return
    name = re.sub(r"[^a-z0-9]+", "-", route)
    page.mouse.move(0, WIDE[1] - 1)
    browser = page.context.new_cdp_session(page)
    taken = browser.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    browser.detach()
    (Path(PICTURES) / f"{name}-{theme}.webp").write_bytes(base64.b64decode(taken["data"]))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(page: Page, axe: str, theme: str) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
    found = {}
    for route in [*routes_of(page), *DETAILS]:
        page.evaluate("route => { location.hash = `#/${route}` }", route)
        expect(page.locator("main h1").first).to_be_visible()
        expect(page.locator("main .skeleton")).to_have_count(0)
        page.wait_for_timeout(SETTLED_MS // (2 if route in GROWING else 10))
        picture_of(page, route, theme)
        if complaints := serious(page, axe):
            found[route] = complaints
        page.keyboard.press("Escape")
    assert found == {}


@pytest.mark.parametrize("width", [360, 768, 1920, 3840])
def test_no_width_from_a_phone_to_4k_makes_the_page_scroll_sideways(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for route in [*routes_of(page), *DETAILS]:
        page.evaluate("route => { location.hash = `#/${route}` }", route)
        expect(page.locator("main h1").first).to_be_visible()
        wide: int = page.evaluate("document.documentElement.scrollWidth")
        over: int = page.evaluate("(main => main.scrollWidth - main.clientWidth)(document.querySelector('main'))")
        assert (wide <= width, over <= 1) == (True, True), route
        page.keyboard.press("Escape")
    page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})


def test_nothing_moves_for_a_reader_who_wants_less_motion(page: Page) -> None:
    running: int = page.evaluate("document.getAnimations().filter(each => each.playState === 'running').length")
    assert running == 0
