"""What a node process and its supervisor say to each other."""

from __future__ import annotations

import pytest

from pulsing.demo.nodes import parse_report, report
from pulsing.demo.story import Event, Finished, Notice, Progress, Ready


@pytest.mark.parametrize(
    "event",
    [
        Ready(2, "127.0.0.1:1", "http://127.0.0.1:2/ui/#login=x"),
        Progress(2, 1, 3, 0),
        Notice(2, "hello"),
        Finished(2, {"files": 3}),
    ],
)
def test_a_report_arrives_as_it_was_made(event: Event, capsys: pytest.CaptureFixture[str]) -> None:
    fields = {name: value for name, value in vars(event).items() if name != "number"}

    report(type(event).__name__.lower(), **fields)

    assert parse_report(2, capsys.readouterr().out.encode()) == event


@pytest.mark.parametrize("line", [b"plain words\n", b"[1]\n", b'{"event": "unheard-of"}\n', b'{"event": "notice"}\n'])
def test_a_line_that_is_no_report_is_shown_to_the_user(line: bytes) -> None:
    assert parse_report(1, line) == Notice(1, line.decode().rstrip())
