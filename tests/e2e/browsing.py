"""A node in a process of its own, and somebody who looks at its dashboard in a browser."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, expect

TOKEN = "a-token-that-only-the-tests-know-1"
VIEWER_TOKEN = "a-token-of-one-who-only-looks-0001"
OPERATOR_TOKEN = "a-token-of-one-who-operates-000001"
PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)
WIDE, NARROW = (1280, 800), (360, 740)


@contextmanager
def running_node(
    home: Path, *settings: str, program: str = "dashboard_node.py", crowd: int = 100
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A node in a process of its own, and the address of its admin plane.

    Args:
        home: where its files are.
        settings: lines of its table `admin`.
        program: what it runs, a file of this folder.
        crowd: how many actors it has that do next to nothing; ten thousand take seconds to start.
    """
    chosen = home / "settings.toml"
    chosen.write_text("\n".join(["[admin]", *settings, *_tokens()]))
    environment = os.environ | {
        "PULSING_ADMIN_TOKEN": TOKEN,
        "PULSING_CONFIG": str(chosen),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_RUNTIME_DIR": str(home / "run"),
    }
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name(program)), str(crowd)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, "the node ended before it had an address"
        yield url, process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _tokens() -> Iterator[str]:
    for role, token in (("viewer", VIEWER_TOKEN), ("operator", OPERATOR_TOKEN)):
        digest = hashlib.sha256(token.encode()).hexdigest()
        yield f'[[admin.tokens]]\nname = "{role}-of-tests"\nrole = "{role}"\nsha256 = {json.dumps(digest)}'


@dataclass
class Visit:
    """A page of the dashboard, and everything that it did which it should not."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("pageerror", self._failed)
        self.page.on("console", self._heard)
        self.page.on("request", self._asked)

    def look_away(self) -> None:
        self.page.remove_listener("pageerror", self._failed)
        self.page.remove_listener("console", self._heard)
        self.page.remove_listener("request", self._asked)

    def log_in(self, token: str = TOKEN) -> None:
        self.page.goto(f"{self.url}/ui/")
        self.page.get_by_label("Admin token").fill(token)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.locator("nav li a").first).to_be_attached(timeout=PATIENCE_MS)

    def go(self, route: str) -> None:
        self.page.evaluate("route => { location.hash = `#/${route}` }", route)

    def _failed(self, error: Error) -> None:
        self.complaints.append(f"error: {error}")

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and "status of 4" not in message.text:
            self.complaints.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.complaints.append(f"request: {request.url}")


@contextmanager
def visiting(browser: Browser, url: str, size: tuple[int, int] = WIDE, theme: str = "light") -> Iterator[Visit]:
    """A visit in a context of its own, and that is dear: a renderer starts, and loads every file and compiles it."""
    with new_context(browser, size, theme) as context:
        visit = Visit(context.new_page(), url)
        visit.watch()
        yield visit


@contextmanager
def visiting_again(page: Page, url: str) -> Iterator[Visit]:
    """A visit in a page that others have had before, of whom nothing is left but what the browser has loaded."""
    page.context.clear_cookies()
    page.context.clear_permissions()
    page.goto(f"{url}/ui/icon.svg")
    page.evaluate("[localStorage, sessionStorage].forEach(each => each.clear())")
    visit = Visit(page, url)
    visit.watch()
    try:
        yield visit
    finally:
        visit.look_away()
        page.goto("about:blank")


@contextmanager
def new_context(browser: Browser, size: tuple[int, int] = WIDE, theme: str = "light") -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    try:
        yield context
    finally:
        context.close()


def routes_of(page: Page) -> list[str]:
    """The pages that the navigation offers."""
    links = page.locator("nav li a").all()
    return [str(link.get_attribute("href")).removeprefix("#/") for link in links]
