"""What the dashboard's files promise: vendored code as published, nothing unsafe, nothing from elsewhere, small."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = ROOT / "dashboard"
VENDOR = DASHBOARD / "vendor"
OWN = [*sorted((DASHBOARD / "lib").glob("*.js")), *sorted((DASHBOARD / "pages").glob("*.js")), DASHBOARD / "app.js"]
STYLES = sorted((DASHBOARD / "css").glob("*.css"))
FIRST_LOAD_BYTES = 120_000
VENDORED_BYTES = 34_000


def vendored() -> list[dict[str, str]]:
    head, *lines = (VENDOR / "VERSIONS.txt").read_text().splitlines()
    return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


def test_every_vendored_file_is_listed_with_version_and_licence() -> None:
    listed = {row["file"] for row in vendored()}
    assert listed == {path.name for path in VENDOR.iterdir() if not path.name.endswith(".d.ts")} - {"VERSIONS.txt"}
    assert all(row["version"] and row["licence"] for row in vendored())


@pytest.mark.parametrize("row", vendored(), ids=lambda row: row["file"])
def test_a_vendored_file_has_the_hash_that_was_recorded(row: dict[str, str]) -> None:
    assert hashlib.sha256((VENDOR / row["file"]).read_bytes()).hexdigest() == row["sha256"]


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_own_code_writes_text_only_and_evaluates_nothing(path: Path) -> None:
    unsafe = r"(?:inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
    assert re.findall(unsafe, path.read_text()) == []


@pytest.mark.parametrize("path", [*OWN, *STYLES, DASHBOARD / "index.html"], ids=lambda path: path.name)
def test_nothing_is_asked_of_another_origin(path: Path) -> None:
    comments = r"/\*.*?\*/"
    foreign = r"(?:https?:)?//[\w.-]+\.\w+|@import|https?:"
    assert re.findall(foreign, re.sub(comments, "", path.read_text(), flags=re.DOTALL)) == []


def test_the_page_has_no_inline_script_or_style() -> None:
    page = (DASHBOARD / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page) == []


def test_imports_are_relative_and_exist() -> None:
    for path in OWN:
        for target in re.findall(r"(?:from\s+|import\()\"([^\"]+)\"", path.read_text()):
            assert target.startswith("."), f"{path.name} imports {target}"
            assert (path.parent / target).is_file(), f"{path.name} imports {target}"


def test_own_modules_open_with_what_they_are() -> None:
    assert [path.name for path in OWN if not path.read_text().startswith("/** ")] == []


def imported_at_once(path: Path) -> set[Path]:
    """The module and all that it imports before it runs, without what is loaded when a page is opened."""
    found, waiting = set[Path](), [path.resolve()]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += [
                (module.parent / name).resolve()
                for name in re.findall(r"(?m)^import [^;]*?from \"([^\"]+)\"", module.read_text())
            ]
    return found


def test_the_first_load_is_small() -> None:
    def zipped(paths: list[Path]) -> int:
        return sum(len(gzip.compress(path.read_bytes(), 6)) for path in paths)

    modules = imported_at_once(DASHBOARD / "app.js") | imported_at_once(DASHBOARD / "pages" / "overview.js")
    first = [*(modules | set(VENDOR.glob("*.js"))), *STYLES, DASHBOARD / "index.html"]
    assert zipped(list(VENDOR.glob("*.js"))) <= VENDORED_BYTES
    assert zipped(first) <= FIRST_LOAD_BYTES


def test_reducers_and_parts_pass_their_own_tests() -> None:
    node = shutil.which("node")
    if node is None and os.environ.get("CI") == "true":
        pytest.fail("node is missing; `make test` installs it")
    if node is None:
        pytest.skip("node is not installed: the JavaScript tests need it, the dashboard does not")
    tests = sorted(str(path) for path in Path(__file__).parent.glob("*.test.js"))
    done = subprocess.run([node, "--test", *tests], cwd=ROOT, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
