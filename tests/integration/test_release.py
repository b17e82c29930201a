"""What is released works on its own: installed into a clean environment, without Node and without a checkout."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
LIMIT_S = 60

# Building and installing go to a package index.
pytestmark = [pytest.mark.timeout(300), pytest.mark.shared_resources]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that was made from it."""
    folder = tmp_path_factory.mktemp("release")
    run([sys.executable, "-m", "build", "--outdir", folder, ROOT], folder)
    return folder


@pytest.fixture(scope="module")
def wheel(release: Path) -> Path:
    """The wheel."""
    (found,) = release.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The programs of an environment in which the wheel is, and nothing but what it asks for."""
    environment = wheel.parent / "environment"
    run([sys.executable, "-m", "venv", environment], wheel.parent)
    run([environment / "bin/python", "-m", "pip", "install", "--quiet", "--no-compile", wheel], wheel.parent)
    return environment / "bin"


def run(command: Sequence[str | Path], folder: Path) -> str:
    """What a command prints that must end well."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def environment_of(programs: Path, home: Path) -> dict[str, str]:
    """The environment of a user who has these programs and no others."""
    return {**os.environ, "PATH": str(programs), "HOME": str(home)}


@contextlib.contextmanager
def node(programs: Path, home: Path) -> Iterator[str]:
    """A node that was started by its command, and the address of its admin plane."""
    process = subprocess.Popen(
        [programs / "pulsing", "serve", "--addr", "127.0.0.1:0", "--admin-addr", "127.0.0.1:0"],
        cwd=home,
        env=environment_of(programs, home),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield next(line.split()[1] for line in process.stdout if line.startswith("admin "))
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=LIMIT_S)


def test_the_wheel_has_all_that_the_browser_gets_and_none_of_its_tools(wheel: Path) -> None:
    prefix = "pulsing/_dashboard/"
    packed = {name.removeprefix(prefix) for name in zipfile.ZipFile(wheel).namelist() if name.startswith(prefix)}
    tracked = run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "dashboard"], ROOT).split()
    files = {name.removeprefix("dashboard/") for name in tracked if (ROOT / name).is_file()}
    assert packed == {name for name in files if not name.startswith("dev/") and name != "package.json"}


def test_the_wheel_has_the_types_and_the_licence_and_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "pulsing/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"pulsing"}


def test_the_sdist_has_the_tests_and_nothing_that_is_ignored(release: Path) -> None:
    (sdist,) = release.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert "tests/conftest.py" in names
    assert [name for name in names if re.match(r"\.venv|docker/secrets|site/|.*__pycache__|.*node_modules", name)] == []


def test_the_demo_runs_from_the_wheel_without_node(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one small step\n")
    done = subprocess.run(
        [installed / "pulsing", "demo", "words.txt", "--once"],
        cwd=tmp_path,
        env=environment_of(installed, tmp_path),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"dashboard: http://127\.0\.0\.1:\d+/ui/#login=", done.stdout)
    assert re.search(r"files +│ +1 │", done.stdout), done.stdout


def test_the_dashboard_of_the_wheel_is_complete(installed: Path, tmp_path: Path) -> None:
    with node(installed, tmp_path) as url, httpx.Client(base_url=f"{url}/ui/", timeout=LIMIT_S) as browser:
        page = browser.get("")
        assert page.status_code == 200
        wanted = re.findall(r'(?:src|href)="(\w[^"#:]*)"', page.text)
        assert "app.js" in wanted
        assert {name: browser.get(name).status_code for name in wanted} == dict.fromkeys(wanted, 200)
