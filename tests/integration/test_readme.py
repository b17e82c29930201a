"""The programs of the README and the documentation, run as they are written."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FRAGMENT = re.compile(r"^(?:<!-- tried by (\S+) -->\n)?```py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""Not run by itself: a file of a larger program, or it needs an engine that has an environment of its own."""
_FILE_NAME = re.compile(r"# (\w+\.py)\n")
_LIMIT_S = 30


def blocks(page: Path) -> list[str]:
    return _BLOCK.findall(page.read_text())


def pages() -> list[Path]:
    return [page for page in sorted((ROOT / "docs").rglob("*.md")) if blocks(page)]


def run_program(program: Path) -> str:
    """The standard output of a Python program that must end well."""
    done = subprocess.run(
        [sys.executable, program.name], cwd=program.parent, capture_output=True, text=True, timeout=_LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running(program: Path) -> Iterator[None]:
    """A Python program that runs as long as the block does."""
    process = subprocess.Popen([sys.executable, program.name], cwd=program.parent)
    try:
        yield
    finally:
        process.terminate()
        process.wait(_LIMIT_S)


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    """A folder with the files of the README, each named by its first line."""
    for block in blocks(ROOT / "README.md"):
        name = _FILE_NAME.match(block)
        assert name is not None, f"a block without a file name:\n{block}"
        (tmp_path / name[1]).write_text(block)
    return tmp_path


def test_the_two_actors_greet_in_one_process(readme: Path) -> None:
    assert run_program(readme / "hello.py") == "Hello Ada, you are number 1\n"


def test_the_two_actors_greet_across_two_processes(readme: Path) -> None:
    with running(readme / "first.py"):
        assert run_program(readme / "second.py") == "Hello Grace, you are number 1\n"


def test_the_cluster_of_the_tutorial_works_and_can_be_watched_as_written(tmp_path: Path) -> None:
    page = (ROOT / "docs/tutorial.md").read_text()
    for _, block in _FRAGMENT.findall(page):
        name = _FILE_NAME.match(block)
        assert name is not None
        (tmp_path / name[1]).write_text(block)
    commands = re.findall(r"^pulsing (.*)$", page, re.MULTILINE)
    assert len(commands) == 4
    with subprocess.Popen([sys.executable, "bank.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as bank:
        try:
            assert bank.stdout is not None
            assert bank.stdout.readline().startswith("dashboard: http://127.0.0.1:")
            assert run_program(tmp_path / "customer.py") == "balance: 5050\n"
            told = [run_command(words.split(), tmp_path) for words in commands]
        finally:
            bank.terminate()
    assert "ada" in told[1]
    assert "6050" in told[2]
    assert "/ui/#login=" in told[3]


def run_command(words: list[str], folder: Path) -> str:
    """The standard output of a `pulsing` command that must end well."""
    command = [sys.executable, "-c", "from pulsing.cli import main; main()", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_LIMIT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", pages(), ids=lambda page: os.fspath(page.relative_to(ROOT)))
def test_the_programs_of_a_page_run_as_written(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page)):
        program = tmp_path / f"block_{number}.py"
        program.write_text(block)
        run_program(program)


def test_the_program_that_waits_for_a_signal_ends_in_order_by_one(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/leaving.md").read_text()
    ((_, block),) = _FRAGMENT.findall(page)
    program = tmp_path / "waiting.py"
    # Once it waits, and no moment before: until then a signal ends it as any program.
    ready = "asyncio.get_running_loop().call_soon(lambda: print('ready', flush=True))"
    block = block.replace("# spawn what this node is for", ready)
    program.write_text(block.replace("127.0.0.1:7000", "127.0.0.1:0"))
    with subprocess.Popen([sys.executable, program.name], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGTERM)
            assert process.wait(_LIMIT_S) == 0
        finally:
            process.kill()


def fragments() -> list[tuple[str, str, str]]:
    """Those of all pages: the page, what tries them, and the code."""
    texts = {os.fspath(page.relative_to(ROOT)): page.read_text() for page in sorted((ROOT / "docs").rglob("*.md"))}
    return [(page, tried_by, code) for page, text in texts.items() for tried_by, code in _FRAGMENT.findall(text)]


@pytest.mark.parametrize(
    ("page", "tried_by", "code"), fragments(), ids=lambda value: value if value.endswith(".md") else ""
)
def test_a_fragment_of_a_page_is_python_and_says_what_tries_it(page: str, tried_by: str, code: str) -> None:
    assert compile(code, page, "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert (ROOT / tried_by).is_file(), "a block of `py` has to say which test tries it"
