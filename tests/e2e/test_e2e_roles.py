"""What a reader may not do is grey and says why; and a page behind a proxy works under the proxy's path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browsing import OPERATOR_TOKEN, VIEWER_TOKEN, running_node, visiting
from tests.e2e.prefix_proxy import PrefixProxy

pytestmark = [pytest.mark.shared_resources, pytest.mark.timeout(120)]


def test_a_viewer_sees_everything_and_each_control_says_what_it_needs(browser: Browser, node: str) -> None:
    with visiting(browser, node) as one:
        one.log_in(VIEWER_TOKEN)
        page = one.page
        refused = (
            ("actors", "Spawn"), ("actors/counter", "Stop"), ("queues/orders", "Purge"), ("topics/news", "Follow")
        )  # fmt: skip
        for route, name in refused:
            one.go(route)
            control = page.get_by_role("button", name=name, exact=True)
            expect(control).to_be_disabled()
            expect(control).to_have_attribute("title", "needs the role operator; you are viewer")
        expect(page.locator("nav").get_by_text("Audit")).to_have_count(0)


def test_a_viewer_is_told_what_is_for_others_and_asks_for_none_of_it(browser: Browser, node: str) -> None:
    with visiting(browser, node) as one:
        one.log_in(VIEWER_TOKEN)
        one.go("queues/orders")
        expect(one.page.get_by_text("To look at records needs the role operator; you are viewer.")).to_be_visible()
        for route, title in (("audit", "Audit"), ("config", "Configuration")):
            one.go(route)
            expect(one.page.get_by_role("heading", name=f"{title} is for administrators")).to_be_visible()
            expect(one.page.get_by_text("It needs the role admin; you are viewer.")).to_be_visible()
        assert one.complaints == []


def test_an_operator_acts_and_sees_no_page_of_the_administrator(browser: Browser, node: str) -> None:
    with visiting(browser, node) as one:
        one.log_in(OPERATOR_TOKEN)
        page = one.page
        one.go("actors/counter?tab=call")
        page.get_by_role("button", name="Call", exact=True).click()
        expect(page.locator(".history .chip.good").first).to_have_text("ok")
        expect(page.locator("nav").get_by_text("Configuration")).to_have_count(0)
        one.go("cluster")
        expect(page.get_by_role("button", name="Join others")).to_have_attribute(
            "title", "needs the role admin; you are operator"
        )
        assert one.complaints == []


def test_a_node_that_is_read_only_says_so_and_greys_its_actions(browser: Browser, tmp_path: Path) -> None:
    with running_node(tmp_path, "read_only = true") as (url, _), visiting(browser, url) as one:
        one.log_in()
        expect(one.page.get_by_text("read-only", exact=True)).to_be_visible()
        one.go("actors/counter")
        stop = one.page.get_by_role("button", name="Stop", exact=True)
        expect(stop).to_be_disabled()
        expect(stop).to_have_attribute("title", "this node is read-only (admin.read_only)")


@pytest.fixture
def prefixed(tmp_path: Path) -> Iterator[str]:
    """The address of a node's dashboard behind a proxy that shows it under /ops/pulsing."""
    with PrefixProxy("/ops/pulsing") as proxy:
        settings = ('trusted_proxies = ["127.0.0.1"]', f'allowed_hosts = ["{proxy.host}"]')
        with running_node(tmp_path, *settings) as (proxy.target, _):
            yield proxy.url


def test_behind_a_proxy_with_a_path_everything_works(browser: Browser, prefixed: str) -> None:
    with visiting(browser, prefixed) as one:
        one.log_in()
        page = one.page
        expect(page.get_by_text("1 node: 1 alive")).to_be_visible()
        expect(page.locator(".fresh")).to_contain_text("live")
        one.go("actors/counter?tab=call")
        page.get_by_label("Method").select_option("count_down")
        page.get_by_role("button", name="Call", exact=True).click()
        expect(page.locator(".history .value")).to_contain_text("[3, 2, 1, 0]")
        one.go("metrics?search=pulsing_actors")
        expect(page.locator(".families")).to_contain_text("pulsing_actors")
        page.reload()
        expect(page.locator(".families")).to_contain_text("pulsing_actors")
        assert one.complaints == []
