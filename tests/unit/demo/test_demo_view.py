"""The demo on a terminal and in a log."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from pulsing.demo.view import View

SUMMARY: dict[str, Any] = {
    "files": 1200,
    "lines": 34567,
    "words": 10,
    "definitions": 2,
    "identifiers": [("self", 99)],
    "by_analyst": {"analyst-1": 700, "analyst-2": 500},
    "skipped": {"binary": 3},
    "put_again": 0,
}


@pytest.fixture
def output() -> io.StringIO:
    return io.StringIO()


def in_a_log(output: io.StringIO) -> View:
    return View(Console(file=output, force_terminal=False, width=80))


def test_a_log_gets_one_line_at_each_twentieth(output: io.StringIO) -> None:
    view = in_a_log(output)

    for done in range(0, 101):
        view.show_progress(done, 100, 0)

    lines = output.getvalue().splitlines()
    assert len(lines) == 20
    assert lines[-1] == "100 of 100 files analysed, 0 skipped"


def test_a_terminal_gets_a_bar(output: io.StringIO) -> None:
    view = View(Console(file=output, force_terminal=True, width=80))

    view.show_progress(3, 10, 1)
    view.close()

    assert "4/10" in output.getvalue()


def test_a_url_longer_than_the_line_stays_in_one_piece(output: io.StringIO) -> None:
    url = "http://127.0.0.1:8700/ui/#login=" + "x" * 100

    in_a_log(output).say(f"dashboard: {url}")

    assert f"dashboard: {url}\n" == output.getvalue()


def test_the_summary_shows_sums_shares_and_what_was_skipped(output: io.StringIO) -> None:
    in_a_log(output).show_summary(SUMMARY, [])

    text = output.getvalue()
    for shown in ("1,200", "34,567", "self", "by analyst-2", "skipped: binary"):
        assert shown in text
    assert "put again" not in text


def test_the_title_of_a_short_summary_is_one_line(output: io.StringIO) -> None:
    short = {"files": 1, "lines": 2, "words": 3, "definitions": 0, "identifiers": [("sea", 2)], "by_analyst": {"a": 1}}
    in_a_log(output).show_summary({**short, "skipped": {}, "put_again": 0}, [])
    assert output.getvalue().splitlines()[0].strip() == "What the agents found"


def test_the_summary_does_not_hide_a_loss(output: io.StringIO) -> None:
    in_a_log(output).show_summary({**SUMMARY, "put_again": 12}, [2])

    assert "put again" in output.getvalue()
    assert "node 2" in output.getvalue()
