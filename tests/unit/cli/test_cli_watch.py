"""What goes on: screens that are shown again, counts of long work, events that are followed over a fault."""

from __future__ import annotations

import io
import sys
import time

import pytest
import typer

from pulsing.cli import happenings, watch
from pulsing.cli.client import Client
from pulsing.cli.errors import CliError
from pulsing.cli.progress import Progress
from tests.unit.cli.scripted import ScriptedServer


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class EnoughError(Exception):
    """Ends what goes on for ever."""


def test_a_watch_goes_on_over_what_would_end_a_single_look(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = 0

    def show() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            raise EnoughError
        raise typer.Exit(1)

    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(EnoughError):
        watch.show_again(show, True, 1.0)
    with pytest.raises(EnoughError):
        looks = 2
        watch.show_again(show, False, 1.0)
    assert capsys.readouterr().out == "\n\n\n"


def test_a_terminal_is_cleared_before_it_is_shown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)

    watch.begin_screen()

    assert terminal.getvalue() == "\x1b[H\x1b[2J"


def test_progress_is_seen_on_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, seen in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        with Progress("records put") as progress:
            progress.show(1200)
        assert ("1,200 records put" in stream.getvalue()) is seen


def test_events_go_on_behind_the_last_that_was_seen(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.content_type = "text/event-stream"
    server.body = b'id: 7\nevent: event\ndata: {"type": "actor.spawned"}\n\n'
    pauses = 0

    def pause(seconds: float) -> None:
        nonlocal pauses
        pauses += 1
        # The node is away once, and then there again.
        server.status = 503 if pauses == 1 else 200
        if pauses == 3:
            raise EnoughError

    monkeypatch.setattr(time, "sleep", pause)
    with Client(server.url, None, timeout=5.0) as client, pytest.raises(EnoughError):
        list(happenings.following(client, {}))
    assert [request[2].get("Last-Event-ID") for request in server.requests] == [None, "7", "7"]
    assert "trying again" in capsys.readouterr().err


def test_events_of_a_node_that_was_never_there_are_an_error(server: ScriptedServer) -> None:
    server.status = 503
    with Client(server.url, None, timeout=5.0) as client, pytest.raises(CliError):
        list(happenings.following(client, {}))
