"""What becomes of output that has nowhere to go, or goes where not every letter is known."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.unit.cli.scripted import ScriptedServer


def run(words: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    environment = os.environ | settings.pop("env", {})
    program = [sys.executable, "-m", "pulsing", *words.split()]
    return subprocess.run(program, env=environment, stderr=subprocess.PIPE, text=True, check=False, **settings)


def test_output_that_cannot_be_written_is_an_error_of_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        ended = run("version", stdout=full)
    assert (ended.returncode, ended.stderr) == (1, "pulsing: [Errno 28] No space left on device\n")


def test_a_locale_that_lacks_a_script_shows_escapes(server: ScriptedServer) -> None:
    server.answers(200, {"items": [{"name": "研究员"}]})
    environment = {"PULSING_ENDPOINT": server.url, "PYTHONIOENCODING": "ascii", "PULSING_ADMIN_TOKEN": "token"}
    ended = run("list actors -o name", stdout=subprocess.PIPE, env=environment)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\\u7814\\u7a76\\u5458\n", "")
