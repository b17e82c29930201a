"""The notes of serving nodes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pulsing.admin.run_file import RunningNode, leave_note, running_nodes, runtime_directory

NO_SUCH_PROCESS = 2**22 + 1


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "run" / "pulsing"


def node(url: str = "http://127.0.0.1:8700", pid: int | None = None) -> RunningNode:
    return RunningNode(os.getpid() if pid is None else pid, url, "n1")


def test_a_note_is_found_and_only_this_user_can_read_it(directory: Path) -> None:
    path = leave_note(directory, node())

    assert path == directory / f"{os.getpid()}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert running_nodes(directory) == [node()]


def test_two_nodes_of_one_process_leave_two_notes(directory: Path) -> None:
    leave_note(directory, node())
    leave_note(directory, node("http://127.0.0.1:8701"))

    assert {found.url for found in running_nodes(directory)} == {"http://127.0.0.1:8700", "http://127.0.0.1:8701"}


def test_the_note_of_a_dead_process_is_passed_over_and_then_taken_away(directory: Path) -> None:
    left = leave_note(directory, node(pid=NO_SUCH_PROCESS))
    assert left is not None
    assert running_nodes(directory) == []

    leave_note(directory, node())

    assert not left.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_a_note_that_cannot_be_read_is_passed_over(directory: Path, content: str) -> None:
    leave_note(directory, node())
    (directory / "broken.json").write_text(content)

    assert running_nodes(directory) == [node()]


def test_a_directory_that_others_may_write_to_is_not_used(directory: Path) -> None:
    directory.mkdir(parents=True)
    directory.chmod(0o777)

    assert leave_note(directory, node()) is None


def test_notes_that_others_may_have_written_are_not_read(directory: Path, tmp_path: Path) -> None:
    assert leave_note(directory, node()) is not None
    (tmp_path / "link").symlink_to(directory)
    assert running_nodes(tmp_path / "link") == []
    directory.chmod(0o770)
    assert running_nodes(directory) == []


def test_a_process_of_another_user_is_no_node_of_this_one(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    leave_note(directory, node())
    monkeypatch.setattr(os, "kill", refuse)
    assert running_nodes(directory) == []


def test_without_a_directory_there_is_no_node(directory: Path) -> None:
    assert running_nodes(directory) == []


def test_the_directory_is_the_users_runtime_directory() -> None:
    assert runtime_directory({"XDG_RUNTIME_DIR": "/run/user/7"}) == Path("/run/user/7/pulsing")
    assert str(os.getuid()) in runtime_directory({}).name
