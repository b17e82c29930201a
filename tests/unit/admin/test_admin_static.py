"""The dashboard's files: the right types, tags that follow the content, and nothing outside of the folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulsing.admin.static import Files, dashboard_folder
from tests.unit.admin.admin_world import site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "dashboard"
    (root / "lib").mkdir(parents=True)
    (root / "dev").mkdir()
    (root / "index.html").write_text("<!doctype html>")
    (root / "lib" / "a.js").write_text("export {};")
    (root / "dev" / "tool.js").write_text("secret")
    (root / "LICENSE.x").write_text("licence")
    (root / ".hidden.js").write_text("secret")
    (tmp_path / "outside.js").write_text("secret")
    (root / "link.js").symlink_to(tmp_path / "outside.js")
    return root


def test_files_have_their_types(folder: Path) -> None:
    files = Files(folder)
    page, script = files.find("index.html"), files.find("lib/a.js")
    assert page is not None
    assert script is not None
    assert page.media_type == "text/html; charset=utf-8"
    assert script.media_type == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    "path",
    ["../outside.js", "lib/../../outside.js", "lib//a.js", "/etc/passwd", ".hidden.js", "dev/tool.js", "link.js",
     "lib", "", "lib/a.js\0", "lib\\a.js", "LICENSE.x", "x" * 2_000, "nothing.js"],
)  # fmt: skip
def test_what_is_not_part_of_the_dashboard_is_not_found(folder: Path, path: str) -> None:
    assert Files(folder).find(path) is None


def test_a_tag_follows_the_content(folder: Path) -> None:
    files = Files(folder)
    before = files.find("lib/a.js")
    (folder / "lib" / "a.js").write_text("export { x };")
    os.utime(folder / "lib" / "a.js", ns=(1, 1))
    after = files.find("lib/a.js")
    assert before is not None
    assert after is not None
    assert before.etag != after.etag
    assert b"x" in after.body


def test_without_a_folder_there_are_no_files() -> None:
    assert Files(None).find("index.html") is None


async def test_the_dashboard_is_served_without_credentials_and_once() -> None:
    assert dashboard_folder() is not None
    async with site() as world:
        nobody = await world.client(None)
        page = await nobody.get("/ui/")
        again = await nobody.get("/ui/index.html", headers={"If-None-Match": page.headers["etag"]})
        slashless = await nobody.get("/ui")
        browser = await nobody.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert (again.status_code, again.content) == (304, b"")
    assert (slashless.status_code, slashless.headers["location"]) == (307, "ui/")
    assert (browser.status_code, browser.headers["location"]) == (307, "ui/")


async def test_a_plane_without_a_dashboard_has_none() -> None:
    async with site(ui_enabled=False) as world:
        admin = await world.client("admin")
        page, door = await admin.get("/ui/"), await admin.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "ui" not in door.json()
