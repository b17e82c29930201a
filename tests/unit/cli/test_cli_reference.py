"""The pages of the documentation that are made from the program are those of the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulsing.cli import reference
from pulsing.cli.errors import FAILED, INTERRUPTED, NOT_ALLOWED, NOT_FOUND, PARTIAL, TIMED_OUT, USAGE
from pulsing.settings import OPTIONS, describe
from tests.unit.cli.scripted import Pulsing

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_of_commands_is_made_from_the_commands() -> None:
    # python -m pulsing.cli.reference > docs/reference/commands.md
    assert (DOCS / "reference" / "commands.md").read_text() == reference.as_page()


def test_the_page_of_settings_is_made_from_the_table() -> None:
    # python -m pulsing.settings.describe > docs/reference/configuration.md
    page = (DOCS / "reference" / "configuration.md").read_text()
    assert page == describe.as_page()
    assert all(f"`{option.key}`" in page for option in OPTIONS)


def test_the_guide_names_every_exit_code() -> None:
    guide = (DOCS / "how-to" / "command-line.md").read_text()
    codes = (0, FAILED, USAGE, NOT_FOUND, NOT_ALLOWED, PARTIAL, TIMED_OUT, INTERRUPTED)
    assert all(f"| {code} |" in guide for code in codes)


def top_level() -> list[str]:
    lines = reference.as_page().splitlines()
    return sorted({line.split("`")[1].split()[1] for line in lines if line.startswith("## `pulsing ")})


@pytest.mark.parametrize("command", top_level())
def test_help_teaches_by_an_example(pulsing: Pulsing, command: str) -> None:
    outcome = pulsing(command, "--help")

    assert outcome.exit_code == 0
    assert f"$ pulsing {command}" in outcome.out


def test_every_command_is_in_the_guide() -> None:
    guide = (DOCS / "how-to" / "command-line.md").read_text()
    assert [command for command in top_level() if f"pulsing {command}" not in guide] == []
