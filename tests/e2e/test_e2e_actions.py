"""What the dashboard does to a cluster, in the browser: each action, what it says first, and what is left of it."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import TOKEN, VIEWER_TOKEN, Visit, visiting

pytestmark = [pytest.mark.shared_resources, pytest.mark.timeout(120)]


@pytest.fixture
def visit(visit: Visit) -> Visit:
    """Somebody who is logged in, whose clipboard can be read."""
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    return visit


def spawned(page: Page, name: str) -> str:
    """The id of a new counter, spawned by REST as the page would."""
    return str(rest(page, "POST", "actors", {"class": "__main__.Counter", "name": name})["id"])


def rest(page: Page, method: str, path: str, body: object = None) -> dict[str, object]:
    answer: dict[str, object] = page.evaluate(
        """async ([method, path, body]) => {
            const api = await import(new URL("lib/api.js", document.baseURI.split("#")[0]).href);
            return api.request(method, path, body === null ? undefined : {body});
        }""",
        [method, path, body],
    )
    return answer


def copied(page: Page, scope: str, kind: str) -> str:
    """What a menu of code puts into the clipboard."""
    page.locator(scope).get_by_role("button", name="Copy as").click()
    page.locator(scope).get_by_role("button", name=kind, exact=True).click()
    expect(page.locator(".toast").last).to_contain_text("Copied")
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_many_actors_are_tagged_at_once_and_stopped_rows_stay_struck_through(visit: Visit) -> None:
    page = visit.page
    ids = [spawned(page, name) for name in ("batch-1", "batch-2")]
    visit.go("actors?search=batch-")
    expect(page.locator("main tbody tr[data-key]")).to_have_count(2)
    page.get_by_label("Select all rows in sight").check()
    page.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_label("Tags").fill("team=night")
    page.get_by_role("button", name="Set tags").click()
    expect(page.get_by_text("Tagged: 2")).to_be_visible()
    assert [rest(page, "GET", f"actors/{each}")["tags"] for each in ids] == [{"team": "night"}] * 2

    page.get_by_label("Select all rows in sight").check()
    page.locator(".selection").get_by_role("button", name="Stop").click()
    assert "pulsing stop batch-1 batch-2" in copied(page, "dialog", "Command line")
    page.get_by_role("dialog").get_by_role("button", name="Stop 2").click()
    expect(page.locator("main tbody tr.gone")).to_have_count(2)


def test_an_actor_is_restarted_after_a_question(visit: Visit) -> None:
    visit.go("actors/clerk")
    visit.page.get_by_role("button", name="Restart", exact=True).click()
    question = visit.page.get_by_role("dialog")
    expect(question).to_contain_text("messages that wait are kept")
    question.get_by_label("Reason").fill("spring cleaning")
    question.get_by_role("button", name="Restart", exact=True).click()
    expect(visit.page.get_by_text("Restarted clerk")).to_be_visible()
    visit.go("audit?search=spring")
    expect(visit.page.locator("main tbody")).to_contain_text("spring cleaning")


def test_actors_are_a_tree_of_nodes_and_classes(visit: Visit) -> None:
    visit.go("actors?group=tree")
    branch = visit.page.locator(".branch", has_text="Scribe")
    branch.click()
    expect(visit.page.locator(".leaf")).to_contain_text("scribe")


def test_a_queue_is_made_with_bounds_trimmed_after_counting_and_deleted_by_its_typed_name(visit: Visit) -> None:
    page = visit.page
    visit.go("queues?create=1")
    page.locator("dialog input[name=name]").fill("bounded")
    page.get_by_text("Bounds and batches").click()
    page.locator("dialog input[name=max_records]").fill("50")
    page.locator("dialog select[name=overflow]").select_option("reject")
    assert "--option max_records=50" in copied(page, "dialog", "Command line")
    page.get_by_role("dialog").get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="bounded")).to_be_visible()
    rest(page, "POST", "queues/bounded/messages", {"records": [{"id": "same", "n": n} for n in range(9)]})

    page.get_by_role("button", name="Trim…").click()
    page.locator("dialog input[name=keep_last]").fill("4")
    page.get_by_role("button", name="Count what would go").click()
    expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text("5 records go")
    page.get_by_role("dialog").get_by_role("button", name="Trim", exact=True).click()
    expect(page.get_by_text("5 records removed")).to_be_visible()

    page.get_by_role("button", name="Delete", exact=True).click()
    question = page.get_by_role("dialog")
    expect(question.get_by_role("button", name="Delete", exact=True)).to_be_disabled()
    question.get_by_label("Type bounded to confirm").fill("bounded")
    question.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Deleted bounded")).to_be_visible()


def test_a_queue_that_somebody_else_deletes_is_shown_as_gone(visit: Visit) -> None:
    path, headers = f"{visit.url}/api/v1/queues/passing", {"X-Pulsing-Token": TOKEN}
    visit.page.request.put(path, headers=headers, data={"num_buckets": 1, "bucket_column": "id"})
    visit.go("queues/passing")
    expect(visit.page.get_by_role("button", name="Purge")).to_be_visible()
    visit.page.request.delete(path, headers=headers)
    expect(visit.page.locator("main")).to_contain_text("no queue 'passing'")
    expect(visit.page.get_by_role("button", name="Purge")).to_have_count(0)


def test_a_queue_may_be_kept_in_a_store_that_the_program_registered(visit: Visit) -> None:
    page = visit.page
    visit.go("queues?create=1")
    choice = page.locator("dialog select[name=backend]")
    expect(choice.locator("option")).to_have_text(["memory", "sqlite", "redis", "attic"])
    choice.select_option("attic")
    expect(page.get_by_role("dialog")).to_contain_text("a store that a program on this node registered")
    page.locator("dialog input[name=name]").fill("heirlooms")
    page.get_by_role("dialog").get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("heading", name="heirlooms")).to_be_visible()
    expect(page.locator("main")).to_contain_text("attic")
    rest(page, "DELETE", "queues/heirlooms")


def test_a_purge_asks_for_the_name_and_says_how_much_goes(visit: Visit) -> None:
    page = visit.page
    rest(page, "PUT", "queues/dust", {})
    rest(page, "POST", "queues/dust/messages", {"records": [{"id": "a"}, {"id": "b"}]})
    visit.go("queues/dust")
    page.get_by_role("button", name="Purge", exact=True).click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text("2 records go")
    question.get_by_label("Type dust to confirm").fill("dust")
    question.get_by_role("button", name="Purge", exact=True).click()
    expect(page.get_by_text("2 records removed")).to_be_visible()
    rest(page, "DELETE", "queues/dust")


def test_a_group_of_readers_is_shown_with_its_lag(visit: Visit) -> None:
    visit.go("queues/orders")
    groups = visit.page.get_by_role("table", name="Groups")
    expect(groups).to_contain_text("shippers")
    expect(groups).to_contain_text("0:0/")


def test_the_tail_of_a_topic_shows_what_is_published_and_a_subscriber_is_taken_off(visit: Visit) -> None:
    page = visit.page
    visit.go("topics/news")
    with page.expect_response(lambda answer: "/tail" in answer.url):
        page.get_by_role("button", name="Follow").click()
    expect(page.get_by_text("Waiting for the next message.")).to_be_visible()
    rest(page, "POST", "topics/news/messages", {"message": {"headline": "<b>fresh</b>"}})
    expect(page.locator(".tail")).to_contain_text("<b>fresh</b>")

    page.get_by_role("button", name="Take off").click()
    assert "pulsing topic evict news listener" in copied(page, "dialog", "Command line")
    page.get_by_role("dialog").get_by_role("button", name="Take off").click()
    expect(page.get_by_text("Subscriber taken off")).to_be_visible()
    # It may subscribe again at once; that it was taken off is in the events.
    visit.go("events?search=evicted")
    expect(page.locator(".log")).to_contain_text("topic.subscriber_evicted")


def test_dead_letters_go_to_another_actor_after_a_trial_run(visit: Visit) -> None:
    page = visit.page
    heir = spawned(page, "heir")
    visit.go("dead-letters")
    page.locator("main tbody tr[data-key]").first.get_by_label("Select").check()
    page.get_by_role("button", name="Replay 1…").click()
    page.locator("dialog input[name=to]").fill("heir")
    page.get_by_role("button", name="Try without sending").click()
    expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text("1 message goes out again")
    assert '"to": "heir"' in copied(page, "dialog", "Python")
    page.get_by_role("dialog").get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_text("1 sent, 0 failed, 0 skipped")).to_be_visible()
    page.wait_for_function(
        """async id => {
            const api = await import(new URL("lib/api.js", document.baseURI.split("#")[0]).href);
            return (await api.get(`actors/${id}`)).messages_total === 1;
        }""",
        arg=heir,
    )


def test_a_dead_letter_that_comes_is_shown_before_the_others(visit: Visit) -> None:
    page = visit.page
    loser = rest(page, "POST", "actors", {"class": "__main__.Loser"})["id"]
    visit.go("dead-letters")
    rows = page.locator("main tbody tr[data-key]")
    rows.first.wait_for()
    before, newest = rows.count(), str(rows.first.get_attribute("data-key"))
    assert rest(page, "POST", f"actors/{loser}/call", {"method": "lose"})["ok"]
    expect(rows).to_have_count(before + 1)
    expect(rows.nth(1)).to_have_attribute("data-key", newest)
    expect(page.get_by_text(f"{before + 1} kept")).to_be_visible()


def test_what_needs_attention_is_named_with_its_cause(visit: Visit) -> None:
    visit.go("problems")
    expect(visit.page.locator(".troubles")).to_contain_text("reached nobody")
    visit.page.get_by_role("link", name="Dead letters").last.click()
    expect(visit.page.get_by_role("heading", name="Dead letters")).to_be_visible()


def test_a_talk_with_an_agent_shows_what_was_said_and_answered(visit: Visit) -> None:
    page = visit.page
    visit.go("agents")
    page.get_by_role("button", name="Talk").click()
    for text in ("one", "two"):
        page.locator("dialog input[name=text]").fill(text)
        page.get_by_role("dialog").get_by_role("button", name="Call", exact=True).click()
        expect(page.get_by_label("Conversation")).to_contain_text(f"noted: {text}")
    expect(page.locator(".said")).to_have_count(2)
    assert "talk=" in page.url


def test_what_others_say_to_an_agent_is_on_its_card_and_a_viewer_does_not_read_it(
    visit: Visit, browser: Browser, node: str
) -> None:
    page = visit.page
    rest(page, "POST", "actors/scribe/call", {"method": "note", "args": ["<i>by others</i>"]})
    visit.go("agents")
    expect(page.locator(".last .told")).to_have_text("note('<i>by others</i>')")
    expect(page.locator(".last .reply")).to_have_text("'noted: <i>by others</i>'")
    visit.go("actors/scribe")
    expect(page.locator(".exchanges li").first).to_contain_text("note('<i>by others</i>')")
    with visiting(browser, node) as viewer:
        viewer.log_in(VIEWER_TOKEN)
        viewer.go("actors/scribe")
        expect(viewer.page.locator(".exchanges li").first).to_contain_text("note(hidden)")
        viewer.go("agents")
        expect(viewer.page.locator("article")).to_contain_text("Scribe")
        expect(viewer.page.locator(".last")).to_have_count(0)


def test_agents_are_narrowed_by_a_tag_and_by_no_tag_again(visit: Visit) -> None:
    page = visit.page
    visit.go("agents")
    page.get_by_role("button", name="desk north").click()
    expect(page.locator("article")).to_have_count(1)
    assert "tag=desk%3Anorth" in page.url
    visit.go("agents?tag=desk:south")
    expect(page.get_by_text("No agent fits")).to_be_visible()
    page.get_by_role("button", name="tag: desk:south").click()
    expect(page.locator("article")).to_have_count(1)


def test_what_prometheus_and_grafana_need_is_saved_from_the_page_of_metrics(visit: Visit) -> None:
    page = visit.page
    visit.go("metrics")
    for label, text in (
        ("Scrape job", "http_sd_configs"),
        ("Alert rules", "PulsingQueueLag"),
        ("Grafana: actors", "panels"),
    ):
        page.get_by_role("button", name="For Prometheus").click()
        with page.expect_download() as download:
            page.get_by_role("button", name=label).click()
        assert text in download.value.path().read_text()
    page.get_by_role("button", name="For Prometheus").click()
    page.get_by_role("button", name="Copy the address").click()
    expect(page.get_by_text("Copied the address of the targets")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{visit.url}/api/v1/prometheus/sd"


def test_a_control_that_has_nothing_to_do_says_what_is_missing(visit: Visit) -> None:
    visit.go("queues/orders")
    expect(visit.page.get_by_role("button", name="Put", exact=True)).to_have_attribute("title", "Write a record first")
    visit.go("queues?create=1")
    create = visit.page.get_by_role("dialog").get_by_role("button", name="Create", exact=True)
    expect(create).to_have_attribute("title", "Give it a name first")


def test_a_route_is_tried_from_its_own_description(visit: Visit) -> None:
    page = visit.page
    visit.go("api?search=actors")
    page.get_by_role("button", name="/api/v1/actors", exact=True).first.click()
    page.locator("dialog input[name=name]").fill("actors/counter")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("dialog").locator(".chip.good")).to_have_text("200")
    expect(page.get_by_role("dialog")).to_contain_text("filtered1")


def test_the_audit_is_downloaded_whole(visit: Visit) -> None:
    page = visit.page
    spawned(page, "noted-in-the-audit")
    visit.go("audit")
    expect(page.locator("main tbody tr[data-key]").first).to_be_visible()
    page.get_by_role("button", name="Download the filtered list").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="JSON").click()
    rows = json.loads(download.value.path().read_text())
    assert any(row["action"] == "actor.spawn" for row in rows)


def test_a_copied_command_of_curl_names_the_token_and_does_not_hold_it(visit: Visit) -> None:
    visit.go("actors/counter?tab=call")
    command = copied(visit.page, "main", "curl")
    assert "$PULSING_ADMIN_TOKEN" in command
    assert "a-token" not in command
    assert visit.url in command
