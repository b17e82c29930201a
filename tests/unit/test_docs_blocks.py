"""Blocks of the documentation that are no programs: commands can be read by `pulsing`, and files by who reads them."""

from __future__ import annotations

import importlib.util
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
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
_TARGET = re.compile(r"^make ([a-z-]+)", re.MULTILINE)
_MODULE = re.compile(r"\bpython -m ((?:pulsing|tests|benchmarks)\.[\w.]+)")
_FILE = re.compile(r"(?:\bpython |(?<![\w/]))((?:benchmarks|docker|\.ci)/[\w/.-]+)")
MADE = {"docker/admin.token", "docker/secrets/"}
"""Secrets that a reader makes."""
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


def test_the_image_that_a_page_builds_is_the_one_that_others_ask_for() -> None:
    page = (ROOT / "docs/how-to/containers.md").read_text()
    texts = [page, *((ROOT / name).read_text() for name in ("docker/Dockerfile", "compose.yaml"))]
    built = [tag for text in texts for tag in re.findall(r"docker build .*-t (\S+)", text)]
    (compose,) = set(re.findall(r"image: (pulsing\S*)", texts[-1]))
    asked_for = [
        *re.findall(r"^FROM (\S+)$", page, re.MULTILINE),
        *re.findall(r"image: (\S+)", (ROOT / "docs/how-to/kubernetes.yaml").read_text()),
    ]

    assert built and asked_for
    assert {*built, *asked_for} == {compose}


def test_the_image_of_ones_own_on_a_page_runs_a_command_that_can_be_typed() -> None:
    (image,) = [block for _, block in blocks(ROOT / "docs/how-to/containers.md") if block.startswith("FROM ")]
    (command,) = re.findall(r"^CMD (.*)$", image, re.MULTILINE)
    assert complaint(json.loads(command)) is None


def run_by(page: Path) -> str:
    """What a page shows as typed: its blocks, and what stands in a line as code."""
    text = page.read_text()
    return "\n".join([*re.findall(r"`([^`\n]+)`", text), *(block for _, block in blocks(page))])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_targets_and_programs_that_a_page_runs_are_there(page: Path) -> None:
    typed = run_by(page)
    missing = [target for target in _TARGET.findall(typed) if target not in TARGETS]
    missing += [module for module in _MODULE.findall(typed) if importlib.util.find_spec(module) is None]
    missing += [file for file in _FILE.findall(typed) if file not in MADE and not (ROOT / file).exists()]

    assert missing == []


def test_there_are_targets_and_programs_to_look_at() -> None:
    typed = "\n".join(map(run_by, PAGES))
    assert min(len(set(kind.findall(typed))) for kind in (_TARGET, _MODULE, _FILE)) > 2


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_that_a_page_shows_can_be_read(page: Path) -> None:
    for language, block in blocks(page):
        if language in READERS:
            READERS[language](block)
