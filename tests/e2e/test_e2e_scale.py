"""Ten thousand actors in the browser: what is drawn, what an update costs the main thread, and what stays in place."""

from __future__ import annotations

import pytest
from playwright.sync_api import CDPSession, expect

from tests.e2e.browsing import Visit

pytestmark = [pytest.mark.shared_resources, pytest.mark.timeout(120)]

UPDATE_MS = 20
ROOM = 3
"""how many times slower a machine may be that does other work at the same time; what the others do is not counted"""
WATCHED_MS = 8_000


def worked_s(session: CDPSession) -> float:
    """How long the page's main thread has been at work so far, by the processor's time."""
    metrics = {each["name"]: float(each["value"]) for each in session.send("Performance.getMetrics")["metrics"]}
    return metrics["TaskDuration"]


def test_an_update_of_ten_thousand_actors_costs_little_of_the_main_thread(visit: Visit) -> None:
    page = visit.page
    visit.go("actors?sort=-messages_total")
    expect(page.locator("main .page-head")).to_contain_text("10,0")
    expect(page.locator("main tbody tr[data-key]").first).to_be_visible()
    page.evaluate(
        """async () => {
            const stream = await import(new URL("lib/stream.js", document.baseURI.split("#")[0]).href);
            globalThis.beats = -1;
            stream.now.subscribe(() => { globalThis.beats += 1; });
        }"""
    )
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.wait_for_timeout(2_000)
    before, beats = worked_s(session), page.evaluate("beats")
    page.wait_for_timeout(WATCHED_MS)
    cost, updates = (worked_s(session) - before) * 1000, page.evaluate("beats") - beats
    print(f"{updates} updates, {cost / updates:.1f} ms of the main thread each")
    assert updates >= WATCHED_MS / 1_000 / 2
    assert cost / updates <= UPDATE_MS * ROOM


def test_scrolling_through_ten_thousand_actors_draws_each_part_and_keeps_few_rows(visit: Visit) -> None:
    page = visit.page
    visit.go("actors?class=__main__.Idler")
    expect(page.locator("main .page-head")).to_contain_text("10,000")
    box = page.locator(".table-box.fill")
    for share in (0.25, 0.5, 0.75, 1.0):
        box.evaluate("(box, share) => box.scrollTo(0, (box.scrollHeight - box.clientHeight) * share)", share)
        middle = page.locator(f"main tbody tr[data-key]:has-text('idler-{round(9_999 * share):04}')")
        expect(middle).to_be_visible()
        assert page.locator("main tbody tr").count() < 100


def test_scroll_selection_and_order_stay_while_rows_change(visit: Visit) -> None:
    page = visit.page
    visit.go("actors?class=__main__.Idler")
    box = page.locator(".table-box.fill")
    expect(page.get_by_text("idler-0000")).to_be_visible()
    box.evaluate("box => box.scrollTo(0, 32 * 4000)")
    row = page.locator("main tbody tr[data-key]:has-text('idler-4005')")
    row.get_by_label("Select").check()
    top = box.evaluate("box => box.scrollTop")
    page.wait_for_timeout(3_000)
    assert box.evaluate("box => box.scrollTop") == top
    expect(row.get_by_label("Select")).to_be_checked()
