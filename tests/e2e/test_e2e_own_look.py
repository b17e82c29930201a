"""A node says what the dashboard is called, which theme it begins with and which actors it lists; a user's own choice
of a theme wins."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.e2e.browsing import running_node, visiting

SETTINGS = ("[ui]", 'theme = "dark"', 'title = "Shop"')


def test_the_node_chooses_title_and_theme_until_the_user_does(browser: Browser, tmp_path: Path) -> None:
    with running_node(tmp_path, *SETTINGS) as (url, _), visiting(browser, url) as one:
        one.log_in()
        root = one.page.locator("html")
        expect(one.page.locator("a.brand span")).to_have_text("Shop")
        expect(one.page).to_have_title("Overview · Shop")
        expect(root).to_have_attribute("data-theme", "dark")
        one.page.evaluate("localStorage.setItem('pulsing.theme', 'light')")
        one.page.reload()
        expect(one.page.locator("a.brand span")).to_have_text("Shop")
        expect(root).to_have_attribute("data-theme", "light")
        assert one.complaints == []


def test_the_node_chooses_whether_its_own_actors_are_listed(browser: Browser, tmp_path: Path) -> None:
    with running_node(tmp_path, "[ui]", "show_system = true") as (url, _), visiting(browser, url) as one:
        one.log_in()
        one.go("actors?search=system%2Fcore")
        expect(one.page.get_by_role("link", name="system/core")).to_be_visible()
        one.go("actors?group=class")
        expect(one.page.get_by_role("link", name="SystemActor")).to_be_visible()
        assert one.complaints == []
