"""The demo watched in a browser, from the link that it prints to the death of one of its nodes.

With PULSING_PICTURE=docs/assets/dashboard.png in the environment the picture of the README is made anew.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.integration.demo_process import Demo

PATIENCE_MS = 20_000

pytestmark = [pytest.mark.shared_resources, pytest.mark.timeout(150)]

PICTURE = os.environ.get("PULSING_PICTURE")


@pytest.fixture
def demo() -> Iterator[Demo]:
    """The demo on Python's standard library, both nodes at work."""
    with contextlib.closing(Demo()) as run:
        run.wait_for_line(lambda line: re.match(r"[\d,]+ of [\d,]+ files", line))
        yield run
        run.process.send_signal(signal.SIGINT)
        run.end()


def dashboard_of(demo: Demo) -> str:
    return next(line for line in demo.lines if line.startswith("dashboard: ")).removeprefix("dashboard: ").strip()


def open_page(browser: Browser, url: str, width: int, height: int) -> tuple[Page, list[str]]:
    """A page, and the errors that it shows in its console."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    return page, complaints


def go_to(page: Page, route: str) -> None:
    page.goto(page.url.split("#")[0] + f"#/{route}")


def test_the_demo_is_seen_at_work_and_losing_a_node(browser: Browser, demo: Demo) -> None:
    page, complaints = open_page(browser, dashboard_of(demo), 1280, 800)

    expect(page.get_by_text("2 nodes: 2 alive")).to_be_visible(timeout=PATIENCE_MS)
    go_to(page, "agents")
    for role in ("Reader", "Analyst", "Archivist"):
        expect(page.get_by_text(role, exact=True).first).to_be_visible(timeout=PATIENCE_MS)
    go_to(page, "queues")
    expect(page.get_by_text("documents").first).to_be_visible(timeout=PATIENCE_MS)
    go_to(page, "topics")
    expect(page.get_by_text("findings").first).to_be_visible(timeout=PATIENCE_MS)
    go_to(page, "overview")
    expect(page.get_by_text("messages handled a second")).to_be_visible(timeout=PATIENCE_MS)
    # Both nodes remember a past, and their sum is the cluster's.
    expect(page.get_by_role("group", name="Range")).to_be_visible(timeout=PATIENCE_MS)
    if PICTURE is not None:
        # Long enough for the curves to have something to show.
        page.wait_for_timeout(30_000)
        page.screenshot(path=Path(PICTURE))

    os.kill(demo.node(2), signal.SIGKILL)

    demo.wait_for_line(lambda line: "node 2 died" in line)
    expect(page.get_by_text(re.compile("2 nodes: (1 alive, 1 dead|1 dead, 1 alive)"))).to_be_visible(
        timeout=PATIENCE_MS
    )
    assert complaints == []
    page.close()


def test_the_node_that_is_chosen_narrows_the_lists(browser: Browser, demo: Demo) -> None:
    page, complaints = open_page(browser, dashboard_of(demo), 1280, 800)
    expect(page.get_by_text("2 nodes: 2 alive")).to_be_visible(timeout=PATIENCE_MS)
    nodes = page.get_by_role("banner").get_by_label("Node")
    chosen, other = nodes.locator("option").all_inner_texts()[1:]
    go_to(page, "links")
    links = page.locator("main tbody tr[data-key] td:first-child")
    expect(links).to_have_text([re.compile("."), re.compile(".")], timeout=PATIENCE_MS)

    nodes.select_option(label=chosen)
    expect(links).to_have_text([chosen], timeout=PATIENCE_MS)
    brokers: list[bool] = []
    for node in (chosen, other):
        go_to(page, "links")
        nodes.select_option(label=node)
        expect(links).to_have_text([node], timeout=PATIENCE_MS)
        go_to(page, "topics")
        expect(page.get_by_text(re.compile("^findings$|None on this node"))).to_be_visible(timeout=PATIENCE_MS)
        brokers.append(page.get_by_text("None on this node").count() == 0)
    assert sorted(brokers) == [False, True]
    assert complaints == []
    page.close()


def test_the_demo_fits_on_a_narrow_screen(browser: Browser, demo: Demo) -> None:
    page, complaints = open_page(browser, dashboard_of(demo), 360, 640)

    expect(page.get_by_text("2 nodes: 2 alive")).to_be_visible(timeout=PATIENCE_MS)
    for route in ("overview", "actors", "queues"):
        go_to(page, route)
        page.wait_for_timeout(500)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert complaints == []
    page.close()
