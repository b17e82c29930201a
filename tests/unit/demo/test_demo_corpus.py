"""Finding and reading the input."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pulsing.demo.corpus import NoInput, NotText, list_files, read_text, standard_library


def write(path: Path, content: bytes = b"text\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_files_are_listed_sorted_and_relative(tmp_path: Path) -> None:
    write(tmp_path / "b.txt")
    write(tmp_path / "a" / "c.txt")

    assert list_files(tmp_path) == ["a/c.txt", "b.txt"]


def test_what_machines_made_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "kept.py")
    write(tmp_path / "__pycache__" / "kept.pyc")
    write(tmp_path / "site-packages" / "other.py")
    write(tmp_path / ".git" / "config")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe")

    assert list_files(tmp_path) == ["kept.py"]


def test_a_single_file_is_a_corpus(tmp_path: Path) -> None:
    assert list_files(write(tmp_path / "only.txt")) == ["only.txt"]


def test_a_missing_path_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(NoInput, match="nowhere does not exist"):
        list_files(tmp_path / "nowhere")


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(NoInput, match="there is no file under"):
        list_files(tmp_path)


def test_a_folder_that_may_not_be_read_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    with pytest.raises(NoInput, match="may not be read"):
        list_files(tmp_path)


def test_a_closed_subfolder_is_listed_so_that_it_is_not_missed_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "open.txt")
    closed = tmp_path / "closed"
    closed.mkdir()
    scandir = os.scandir

    def guarded(path: str) -> Any:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(closed))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)

    assert list_files(tmp_path) == ["closed", "open.txt"]


def test_text_is_read_without_its_byte_order_mark(tmp_path: Path) -> None:
    assert read_text(write(tmp_path / "a.txt", b"\xef\xbb\xbfgr\xc3\xbc\xc3\x9fe")) == "grüße"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\x7fELF\0\0", "binary"), (b"caf\xe9", "not UTF-8"), (b"a" * (4 * 1024 * 1024 + 1), "larger than 4 MiB")],
)
def test_what_is_no_text_is_refused_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(NotText, match=reason):
        read_text(write(tmp_path / "file", content))


def test_a_file_that_went_away_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(NotText, match="no such file"):
        read_text(tmp_path / "gone")


def test_the_standard_library_is_a_folder_of_python() -> None:
    assert (standard_library() / "asyncio").is_dir()
