"""A browser, a node, and somebody logged in at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.e2e.browsing import Visit, new_context, running_node, visiting_again


@pytest.fixture(scope="session")
def browser(require_browser: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium's own sandbox cannot be set up as root in a container; it only ever sees our own pages here.
        started = playwright.chromium.launch(executable_path=require_browser, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a node with ten thousand actors, which the tests share."""
    with running_node(tmp_path_factory.mktemp("home"), crowd=10_000) as (url, _):
        yield url


@pytest.fixture(scope="session")
def own_page(browser: Browser) -> Iterator[Page]:
    """The page in which one visit follows another."""
    with new_context(browser) as context:
        yield context.new_page()


@pytest.fixture
def visit(own_page: Page, node: str) -> Iterator[Visit]:
    """Somebody who is logged in; fails the test when the page complained or asked another origin."""
    with visiting_again(own_page, node) as one:
        one.log_in()
        yield one
        assert one.complaints == []
