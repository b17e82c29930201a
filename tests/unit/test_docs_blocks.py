"""Blocks of the documentation that are no programs: commands can be read by `pulsing`, and files by who reads them."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from pulsing.cli.app import app

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?pulsing (.*)$")
_END = {"|", ">", ">>", "&&", "&", ";", "2>"}
READERS: dict[str, Callable[[str], Any]] = {
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "json": json.loads,
}


def blocks(page: Path) -> list[tuple[str, str]]:
    """The blocks of a page, each with the language that it says it is in."""
    return _BLOCK.findall(page.read_text())


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every `pulsing` command that a page shows."""
    for language, block in blocks(page):
        if language in ("", "console", "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                if found := _COMMAND.match(line):
                    words = shlex.split(found[1], comments=True)
                    yield words[: next((at for at, word in enumerate(words) if word in _END), len(words))]


def complaint(words: list[str]) -> str | None:
    """What `pulsing` says against these words before it would do anything."""
    # The library brings its own copy of the one that it is made of, so an error is known by what it can do.
    command: Any = typer.main.get_command(app)
    context = None
    try:
        while True:
            resolving = hasattr(command, "commands")
            context = command.make_context(command.name, list(words), context)
            if not resolving:
                return None
            _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return str(error.format_message())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_can_be_typed(page: Path) -> None:
    said = {" ".join(words): complaint(words) for words in commands(page)}
    assert {words: what for words, what in said.items() if what is not None} == {}


def test_a_command_or_an_option_that_there_is_not_is_found() -> None:
    assert complaint(["list", "actors", "--sort", "name"]) is None
    assert complaint(["list", "actor"]) is not None
    assert complaint(["serve", "--port", "7"]) is not None


def test_there_are_commands_to_look_at() -> None:
    assert sum(len(list(commands(page))) for page in PAGES) > 100


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_that_a_page_shows_can_be_read(page: Path) -> None:
    for language, block in blocks(page):
        if language in READERS:
            READERS[language](block)
