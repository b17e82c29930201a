"""What tests of commands share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from pulsing.cli import main
from tests.unit.cli.scripted import Outcome, Pulsing, ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def pulsing(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Pulsing:
    """Runs `pulsing WORDS` against the scripted server."""
    monkeypatch.setenv("PULSING_ENDPOINT", server.url)
    monkeypatch.setenv("PULSING_ADMIN_TOKEN", "secret-of-this-test")

    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["pulsing", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return run
