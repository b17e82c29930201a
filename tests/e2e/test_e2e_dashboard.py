"""The dashboard in a browser, against a real node: every page, every action, and what it says when things go wrong."""

from __future__ import annotations

import re
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import NARROW, PATIENCE_MS, TOKEN, Visit, routes_of, running_node, visiting

pytestmark = [pytest.mark.shared_resources, pytest.mark.timeout(120)]


def test_a_wrong_token_is_refused_in_words_and_the_right_one_enters(browser: Browser, node: str) -> None:
    with visiting(browser, node) as one:
        one.page.goto(f"{node}/ui/")
        one.page.get_by_label("Admin token").fill("not-the-token")
        one.page.get_by_role("button", name="Log in").click()
        expect(one.page.get_by_role("alert")).to_contain_text("token")

        one.log_in()
        expect(one.page.get_by_text("1 node: 1 alive")).to_be_visible()


def test_a_login_link_works_where_the_login_page_is_open_already(browser: Browser, node: str) -> None:
    with visiting(browser, node) as one:
        one.page.goto(f"{node}/ui/")
        expect(one.page.get_by_label("Admin token")).to_be_visible()
        answer = one.page.request.post(f"{node}/api/v1/session/codes", headers={"X-Pulsing-Token": TOKEN})
        one.page.goto(answer.json()["url"])
        expect(one.page.locator("nav li a").first).to_be_attached()
        assert "login" not in one.page.url
        assert one.complaints == []


def test_the_token_is_in_no_address(visit: Visit) -> None:
    assert TOKEN not in visit.page.url
    assert "login" not in visit.page.url


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_opens_without_complaint(browser: Browser, node: str, theme: str) -> None:
    with visiting(browser, node, theme=theme) as one:
        one.log_in()
        routes = routes_of(one.page)
        assert {"overview", "actors", "agents", "classes", "queues", "topics", "nodes", "cluster", "events"} <= {
            *routes
        }
        for route in [*routes, "actors/counter", "queues/orders", "topics/news", "problems/name-taken"]:
            one.go(route)
            expect(one.page.locator("main h1")).to_be_visible()
            expect(one.page.locator("main [role=alert]")).to_have_count(0)
        assert one.complaints == []


def test_no_page_is_wider_than_a_phone(browser: Browser, node: str) -> None:
    with visiting(browser, node, NARROW) as one:
        one.log_in()
        for route in [
            *routes_of(one.page),
            "actors/counter",
            "actors/counter?tab=call",
            "queues/orders",
            "topics/news",
        ]:
            one.go(route)
            expect(one.page.locator("main h1")).to_be_visible()
            assert one.page.evaluate("document.documentElement.scrollWidth") <= NARROW[0], route
            assert one.page.evaluate("(m => m.scrollWidth - m.clientWidth)(document.querySelector('main'))") <= 1, route
        assert one.complaints == []


def test_a_phone_shows_whom_a_dead_letter_was_for(browser: Browser, node: str) -> None:
    with visiting(browser, node, size=NARROW) as one:
        one.log_in()
        one.go("dead-letters")
        for column in ("When", "Reason", "For"):
            expect(one.page.locator("thead").get_by_text(column, exact=True)).to_be_visible()


def test_a_method_is_called_from_typed_fields_and_its_result_is_shown(visit: Visit) -> None:
    visit.go("actors/counter?tab=call")
    visit.page.locator("input[name=by]").fill("40")
    visit.page.get_by_role("button", name="Call", exact=True).click()
    expect(visit.page.locator(".history .chip.good").first).to_have_text("ok")
    expect(visit.page.locator(".history .value").first).to_contain_text(re.compile(r"\d+"))


def test_a_wrong_argument_is_said_at_its_field(visit: Visit) -> None:
    visit.go("actors/counter?tab=call")
    visit.page.locator("input[name=by]").fill("many")
    visit.page.get_by_role("button", name="Call", exact=True).click()
    expect(visit.page.get_by_text("a number is needed")).to_be_visible()
    expect(visit.page.locator(".history")).to_have_count(0)


def test_a_fault_is_said_at_its_field_and_once_more_above_the_button(visit: Visit) -> None:
    visit.go("actors?spawn=1")
    visit.page.locator("dialog select").first.select_option("__main__.Counter")
    visit.page.locator("dialog input[name=name]").fill("a b")
    visit.page.get_by_role("button", name="Spawn", exact=True).last.click()
    expect(visit.page.locator("dialog .notice")).to_contain_text("may hold letters")
    expect(visit.page.locator("dialog").get_by_text("may hold letters")).to_have_count(2)


def test_an_error_of_the_actor_is_shown_with_its_type(visit: Visit) -> None:
    visit.go("actors/counter?tab=call")
    visit.page.get_by_label("Method").select_option("refuse")
    visit.page.get_by_role("button", name="Call", exact=True).click()
    expect(visit.page.locator(".history .value.bad")).to_contain_text("ValueError: no such order")


def test_a_stream_arrives_item_by_item_and_ends(visit: Visit) -> None:
    visit.go("actors/counter?tab=call")
    visit.page.get_by_label("Method").select_option("count_down")
    visit.page.get_by_role("button", name="Call", exact=True).click()
    expect(visit.page.locator(".history")).to_contain_text("4 items")
    expect(visit.page.locator(".history .value")).to_contain_text("[3, 2, 1, 0]")


def test_an_actor_is_spawned_from_a_form_and_stopped_after_a_question(visit: Visit) -> None:
    visit.go("actors?spawn=1")
    visit.page.locator("dialog select").first.select_option("__main__.Counter")
    visit.page.locator("input[name=start]").fill("5")
    visit.page.locator("dialog input[name=name]").fill("fresh")
    visit.page.get_by_role("button", name="Spawn", exact=True).last.click()
    expect(visit.page.get_by_role("heading", name="fresh")).to_be_visible()

    visit.page.get_by_role("button", name="Stop", exact=True).click()
    question = visit.page.get_by_role("dialog")
    expect(question).to_contain_text("actors/fresh")
    question.get_by_role("button", name="Stop", exact=True).click()
    expect(visit.page.get_by_text("Stopped fresh")).to_be_visible()
    expect(visit.page.get_by_text("How it ended")).to_be_visible()
    # What is not kept of an actor that has ended is not shown as if there had been none.
    for absent in ("Last errors", "Idle: no message in hand", "Supervision"):
        expect(visit.page.locator("main")).not_to_contain_text(absent)
    visit.page.get_by_role("tab", name="Call", exact=True).click()
    for name in ("Call", "Tell"):
        expect(visit.page.locator("form").get_by_role("button", name=name, exact=True)).to_be_disabled()


def test_of_ten_thousand_actors_only_those_in_sight_are_drawn(visit: Visit) -> None:
    visit.go("actors?class=__main__.Idler")
    expect(visit.page.locator("main .page-head")).to_contain_text("10,000")
    assert visit.page.locator("main tbody tr").count() < 100
    visit.page.locator(".table-box.fill").evaluate("box => box.scrollTo(0, box.scrollHeight)")
    expect(visit.page.get_by_text("idler-9999")).to_be_visible()
    assert visit.page.locator("main tbody tr").count() < 100


def test_a_list_is_searched_and_the_address_holds_the_search(visit: Visit) -> None:
    visit.go("actors")
    expect(visit.page.get_by_role("heading", name="Actors")).to_be_visible()
    visit.page.keyboard.press("/")
    visit.page.keyboard.type("idler-0042")
    expect(visit.page.locator("main tbody tr[data-key]")).to_have_count(1)
    assert "search=idler-0042" in visit.page.url


def test_a_record_is_put_and_seen_without_being_taken(visit: Visit) -> None:
    visit.go("queues/orders")
    visit.page.locator("textarea[name=records]").fill('{"id": "fresh", "note": "<img src=x onerror=alert(1)>"}')
    visit.page.get_by_role("button", name="Put", exact=True).click()
    expect(visit.page.get_by_text("Put 1 record")).to_be_visible()
    visit.page.get_by_role("button", name="Look again").click()
    expect(visit.page.locator(".records")).to_contain_text("<img src=x onerror=alert(1)>")
    assert visit.page.locator(".records img").count() == 0


def test_a_record_without_the_bucket_column_is_refused_with_the_reason(visit: Visit) -> None:
    visit.go("queues/orders")
    visit.page.locator("textarea[name=records]").fill('{"amount": 3}')
    visit.page.get_by_role("button", name="Put", exact=True).click()
    expect(visit.page.locator(".toast.bad")).to_contain_text("id")


def test_a_message_is_published_and_its_outcome_shown(visit: Visit) -> None:
    visit.go("topics/news")
    visit.page.locator("textarea[name=message]").fill('{"headline": "from the browser"}')
    visit.page.get_by_role("button", name="Publish", exact=True).click()
    expect(visit.page.locator("main [role=status]")).to_contain_text("of 1 subscribers")


def test_an_agent_is_a_card_and_its_words_are_text(visit: Visit) -> None:
    visit.go("agents")
    card = visit.page.locator("article")
    expect(card).to_contain_text("Scribe <b>bold</b>")
    expect(card).to_contain_text("Write down what happens")
    card.get_by_role("button", name="Talk").click()
    visit.page.locator("dialog input[name=text]").fill("hello")
    visit.page.get_by_role("dialog").get_by_role("button", name="Call", exact=True).click()
    expect(visit.page.get_by_role("dialog")).to_contain_text("noted: hello")


def test_the_keyboard_goes_everywhere(visit: Visit) -> None:
    page = visit.page
    page.keyboard.press("g")
    page.keyboard.press("q")
    expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    expect(page.locator("main tbody").get_by_text("orders")).to_be_visible()
    first = str(page.locator("main tbody tr[data-key]").first.get_attribute("data-key"))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=first, exact=True)).to_be_visible()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog").locator("input")).to_be_focused()
    page.keyboard.type("scribe")
    expect(page.get_by_role("option", name=re.compile("^scribe"))).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="scribe")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Search this list")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_what_is_typed_at_once_after_the_key_is_for_the_palette(visit: Visit) -> None:
    before_the_next_frame = """async () => {
        document.dispatchEvent(new KeyboardEvent("keydown", { key: "k", ctrlKey: true }));
        for (let turn = 0; turn < 50; turn++) await null;
        return document.activeElement.getAttribute("role");
    }"""
    assert visit.page.evaluate(before_the_next_frame) == "combobox"


def test_rows_are_walked_down_and_up_by_keys(visit: Visit) -> None:
    page = visit.page
    visit.go("actors?class=__main__.Idler&sort=name")
    rows = page.locator("main tbody tr[data-key]")
    expect(rows.first).to_contain_text("idler-0000")
    for key, number in (("j", 0), ("j", 1), ("j", 2), ("k", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("k", 0), ("k", 0)):
        page.keyboard.press(key)
        expect(page.locator("main tbody tr.active")).to_contain_text(f"idler-{number:04}")
    page.keyboard.press("x")
    expect(rows.first.get_by_label("Select")).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="idler-0000")).to_be_visible()


def wait_for(holds: Callable[[], bool]) -> None:
    """Wait until a condition holds, as long as one has patience."""
    deadline = time.monotonic() + PATIENCE_MS / 1_000
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def streams_open(url: str) -> int:
    """How many pages the node feeds now, by its own metric."""
    request = urllib.request.Request(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(r"^pulsing_admin_stream_clients (\S+)$", text, re.MULTILINE)
    assert found, text
    return int(float(found[1]))


def turn(page: Page, hidden: bool) -> None:
    """Tell the page that its tab was hidden or shown; a browser without a screen never hides one by itself."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_hidden_tab_is_fed_nothing_and_goes_on_when_it_is_shown(browser: Browser, tmp_path: Path) -> None:
    with running_node(tmp_path) as (url, _), visiting(browser, url) as one:
        one.log_in()
        one.go("actors?class=__main__.Idler&sort=name")
        expect(one.page.locator(".fresh.good")).to_be_visible()
        wait_for(lambda: streams_open(url) == 1)
        turn(one.page, hidden=True)
        expect(one.page.get_by_text("paused", exact=True)).to_be_visible()
        wait_for(lambda: streams_open(url) == 0)
        asked: list[str] = []
        one.page.on("request", lambda request: asked.append(request.url))
        # Twice as long as polling would wait.
        one.page.wait_for_timeout(4_000)
        assert asked == []
        turn(one.page, hidden=False)
        expect(one.page.locator(".fresh.good")).to_be_visible()
        wait_for(lambda: streams_open(url) == 1)
        expect(one.page.locator("main tbody tr[data-key]").first).to_contain_text("idler-0000")
        assert one.complaints == []


def test_an_unknown_actor_is_said_and_not_shown_as_loading(visit: Visit) -> None:
    visit.go("actors/nobody")
    alert = visit.page.locator("main [role=alert]")
    expect(alert).to_contain_text("nobody")
    alert.get_by_role("link", name="What this means").click()
    expect(visit.page.locator("main h1")).to_have_text("No such actor")
    expect(visit.page.locator("main")).to_contain_text("/problems/actor-not-found")
    assert visit.complaints == []


def test_a_page_whose_node_died_is_dimmed_and_says_so(browser: Browser, tmp_path: Path) -> None:
    with running_node(tmp_path) as (url, process), visiting(browser, url) as one:
        one.log_in()
        expect(one.page.get_by_text("1 node: 1 alive")).to_be_visible()
        process.kill()
        expect(one.page.get_by_text("no connection")).to_be_visible()
        expect(one.page.locator("html.stale")).to_have_count(1)


def test_a_page_whose_node_is_silent_for_a_while_comes_back_by_itself(browser: Browser, tmp_path: Path) -> None:
    with running_node(tmp_path) as (url, process), visiting(browser, url) as one:
        one.log_in()
        expect(one.page.locator(".fresh.good")).to_be_visible()
        process.send_signal(signal.SIGSTOP)
        expect(one.page.locator("html.stale")).to_have_count(1, timeout=30_000)
        process.send_signal(signal.SIGCONT)
        expect(one.page.locator("html.stale")).to_have_count(0, timeout=30_000)
        expect(one.page.locator(".fresh.good")).to_be_visible(timeout=30_000)


def test_a_node_that_was_started_anew_asks_who_is_there_and_goes_on(browser: Browser, tmp_path: Path) -> None:
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        address = f'addr = "127.0.0.1:{finder.getsockname()[1]}"'
    with visiting(browser, "") as one:
        with running_node(tmp_path, address) as (one.url, process):
            one.log_in()
            process.kill()
            expect(one.page.get_by_text("no connection")).to_be_visible()
            # The code of this page has never been loaded, and cannot be now.
            one.go("actors/counter")
            expect(one.page.get_by_text("This page could not be loaded")).to_be_visible()
        with running_node(tmp_path, address):
            one.page.get_by_label("Admin token").fill(TOKEN, timeout=30_000)
            one.page.get_by_role("button", name="Log in").click()
            expect(one.page.get_by_role("heading", name="counter")).to_be_visible()
            expect(one.page.locator(".fresh.good")).to_be_visible()
