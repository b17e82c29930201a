"""The documentation as it is read: built, complete, and without the network."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pulsing", "core", "exceptions", "streaming", "agent", "subprocess", "testing")
_LOADED = re.compile(r"""<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=["']([^"']+)""")
_LINK = re.compile(r"""<a\b[^>]*?\bhref=["']([^"']+)""")
_ID = re.compile(r"""\b(?:id|name)=["']([^"']+)""")
_OF_STYLES = re.compile(r"""(?:url\(|@import )["']?(https?:)""")

# Environments for other versions of Python have what tests need, and not what makes the documentation.
pytest.importorskip("mkdocstrings")
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def pages(site: Path) -> list[Path]:
    # The page for what was not found is shown under any address, so its links are absolute.
    return [page for page in site.rglob("*.html") if page.name != "404.html"]


def anchors(page: Path) -> set[str]:
    return {unquote(found) for found in _ID.findall(page.read_text())}


def broken(page: Path, site: Path, known: dict[Path, set[str]]) -> Iterator[str]:
    """Links of a page that lead nowhere in the site."""
    for target in _LINK.findall(page.read_text()):
        parts = urlsplit(target.replace("&amp;", "&"))
        if parts.scheme or parts.netloc:
            continue
        there = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        # A folder is no page where no server answers with the one in it.
        if not there.is_file() or (parts.fragment and unquote(parts.fragment) not in known.get(there, set())):
            yield target


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = {target for page in pages(site) for target in _LOADED.findall(page.read_text())}
    styles = [style.name for style in site.rglob("*.css") if _OF_STYLES.search(style.read_text())]

    assert loaded
    # What is only a name, such as that of the page itself, is not loaded.
    assert [target for target in loaded if urlsplit(target).scheme or target.startswith("//")] == []
    assert styles == []


def test_every_link_of_the_site_leads_to_a_page_and_a_place_on_it(site: Path) -> None:
    known = {page.resolve(): anchors(page) for page in pages(site)}
    found = {str(page.relative_to(site)): list(broken(page.resolve(), site, known)) for page in pages(site)}
    assert {page: links for page, links in found.items() if links} == {}


def own_names(module: ModuleType) -> list[str]:
    """What a package exports of its own; the rest is the standard library's."""
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    return [
        name for name in names if getattr(getattr(module, name), "__module__", "pulsing").partition(".")[0] == "pulsing"
    ]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_on_the_page_of_its_package(site: Path, name: str) -> None:
    module = importlib.import_module("pulsing" if name == "pulsing" else f"pulsing.{name}")
    page = site / f"reference/python/{name}.html"
    shown = {one.rpartition(".")[2] for one in anchors(page)}
    written = re.sub(r"<[^>]+>", "", page.read_text())

    missing = [one for one in own_names(module) if one not in shown and not re.search(rf"\b{one}\b", written)]

    assert missing == []
