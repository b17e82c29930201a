"""The course of a demo, told by its processes."""

from __future__ import annotations

import pytest

from pulsing.demo.story import (
    Ended,
    Finish,
    Finished,
    Notice,
    Progress,
    Ready,
    Say,
    ShowProgress,
    ShowSummary,
    StartNode,
    Story,
)

FIRST = Ready(1, "127.0.0.1:4001", "http://127.0.0.1:8700/ui/#login=one")
SECOND = Ready(2, "127.0.0.1:4002", "http://127.0.0.1:8701/ui/#login=two")


@pytest.fixture
def story() -> Story:
    return Story(nodes=2)


@pytest.fixture
def running(story: Story) -> Story:
    story.begin()
    story.handle(FIRST)
    story.handle(SECOND)
    return story


def test_the_first_node_is_started_alone(story: Story) -> None:
    assert story.begin() == [StartNode(1, ())]


def test_the_dashboard_is_said_first_and_then_the_second_node_joins_the_first(story: Story) -> None:
    assert story.handle(FIRST) == [Say(f"dashboard: {FIRST.dashboard}"), StartNode(2, (FIRST.addr,))]


def test_progress_moves_the_bar(running: Story) -> None:
    assert running.handle(Progress(1, 3, 10, 1)) == [ShowProgress(3, 10, 1)]


def test_a_notice_names_its_node(running: Story) -> None:
    assert running.handle(Notice(2, "took over 2 buckets")) == [Say("node 2: took over 2 buckets")]


def test_the_end_of_the_input_ends_the_demo_well(running: Story) -> None:
    assert running.handle(Finished(1, {"files": 3})) == [ShowSummary({"files": 3}, ()), Finish(0)]


def test_a_killed_second_node_is_said_to_be_dead_and_the_first_goes_on(running: Story) -> None:
    assert running.handle(Ended(2, -9)) == [
        Say("node 2 died (killed by SIGKILL); node 1 goes on alone, and what was not yet analysed is put again")
    ]


def test_a_killed_first_node_leaves_the_other_dashboard_to_go_to(running: Story) -> None:
    assert running.handle(Ended(1, -9)) == [
        Say("node 1 died (killed by SIGKILL); node 2 goes on alone, and what was not yet analysed is put again"),
        Say(f"dashboard: {SECOND.dashboard}"),
    ]


def test_the_summary_names_the_nodes_that_were_lost(running: Story) -> None:
    running.handle(Ended(2, -9))

    assert running.handle(Finished(1, {})) == [ShowSummary({}, (2,)), Finish(0)]


def test_without_a_node_left_the_demo_fails(running: Story) -> None:
    running.handle(Ended(2, -9))

    assert running.handle(Ended(1, 3)) == [Say("node 1 died (exit code 3); no node is left"), Finish(1)]


def test_a_node_that_cannot_start_ends_the_demo(story: Story) -> None:
    story.begin()

    assert story.handle(Ended(1, 1)) == [Say("node 1 could not start (exit code 1)"), Finish(1)]
