"""Which node a command talks to."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pulsing.cli.endpoint import DEFAULT_ENDPOINT, find_endpoint, find_token
from pulsing.cli.errors import NOT_ALLOWED, USAGE, CliError

NO_SUCH_PROCESS = 2**22 + 1


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_RUNTIME_DIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}


def write_run_file(environ: dict[str, str], pid: int, url: str, file: str | None = None) -> None:
    directory = Path(environ["XDG_RUNTIME_DIR"]) / "pulsing"
    directory.mkdir(0o700, exist_ok=True)
    (directory / f"{file or pid}.json").write_text(json.dumps({"pid": pid, "url": url, "name": "n1"}))


def test_the_option_comes_before_everything(environ: dict[str, str]) -> None:
    assert find_endpoint("node:1/", {**environ, "PULSING_ENDPOINT": "http://other:2"}) == "http://node:1"


@pytest.mark.parametrize("page", ["/ui/", "/ui", "/ui/#/actors?search=a", "/ui/#login=x"])
def test_the_address_of_the_dashboard_is_as_good(environ: dict[str, str], page: str) -> None:
    assert find_endpoint(f"http://node:1/prefix{page}", environ) == "http://node:1/prefix"


def test_the_environment_comes_before_what_runs(environ: dict[str, str]) -> None:
    write_run_file(environ, os.getpid(), "http://127.0.0.1:3")

    assert find_endpoint(None, {**environ, "PULSING_ENDPOINT": "http://other:2"}) == "http://other:2"


def test_the_only_node_that_runs_is_meant(environ: dict[str, str]) -> None:
    write_run_file(environ, os.getpid(), "http://127.0.0.1:3")

    assert find_endpoint(None, environ) == "http://127.0.0.1:3"


def test_the_file_of_a_dead_node_is_passed_over(environ: dict[str, str]) -> None:
    write_run_file(environ, NO_SUCH_PROCESS, "http://127.0.0.1:3")

    assert find_endpoint(None, environ) == DEFAULT_ENDPOINT


def test_of_several_nodes_one_must_be_named(environ: dict[str, str]) -> None:
    write_run_file(environ, os.getpid(), "http://127.0.0.1:3")
    write_run_file(environ, os.getppid(), "http://127.0.0.1:4")

    with pytest.raises(CliError, match="several nodes run here") as caught:
        find_endpoint(None, environ)
    assert all(url in caught.value.detail for url in ("http://127.0.0.1:3", "http://127.0.0.1:4"))
    assert (caught.value.exit_code, caught.value.hint) == (USAGE, "name one with --endpoint URL")


LISTENERS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:21FC 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {uid:5}        0 788864 1 0 100 0 0 10 0
   1: 0100007F:21FC 0100007F:1234 01 00000000:00000000 00:00000000 00000000 77777        0 788865 1 0 100 0 0 10 0
   2: 0100007F:0003 00000000:0000 0A 00000000:00000000 00:00000000 00000000 66666        0 788866 1 0 100 0 0 10 0
"""


@pytest.mark.parametrize("table", ["tcp", "tcp6"])
def test_nobody_elses_process_is_shown_the_token_unless_it_was_named(
    environ: dict[str, str], tmp_path: Path, table: str
) -> None:
    (tmp_path / table).write_text(LISTENERS.format(uid=55555))

    with pytest.raises(CliError, match=r"another user .* http://127.0.0.1:8700 \(uid 55555\)") as caught:
        find_endpoint(None, environ, tmp_path)
    assert caught.value.exit_code == NOT_ALLOWED
    assert find_endpoint(DEFAULT_ENDPOINT, environ, tmp_path) == DEFAULT_ENDPOINT
    write_run_file(environ, os.getpid(), "http://127.0.0.1:3")
    with pytest.raises(CliError, match="uid 66666"):
        find_endpoint(None, environ, tmp_path)


@pytest.mark.parametrize("uid", [0, os.geteuid()])
def test_processes_of_this_user_and_of_root_may_be_asked(environ: dict[str, str], tmp_path: Path, uid: int) -> None:
    (tmp_path / "tcp").write_text(LISTENERS.format(uid=uid))

    assert find_endpoint(None, environ, tmp_path) == DEFAULT_ENDPOINT


def test_the_token_is_that_of_the_user_unless_another_is_given(environ: dict[str, str], tmp_path: Path) -> None:
    own = tmp_path / "config" / "pulsing" / "admin.token"
    own.parent.mkdir(parents=True)
    own.write_text("own\n")
    other = tmp_path / "other"
    other.write_text("other\n")

    assert find_token(None, environ) == "own"
    assert find_token(None, {**environ, "PULSING_ADMIN_TOKEN": "set"}) == "set"
    assert find_token(other, {**environ, "PULSING_ADMIN_TOKEN": "set"}) == "other"


def test_without_a_token_the_node_decides(environ: dict[str, str]) -> None:
    assert find_token(None, environ) is None


def test_a_named_token_file_must_be_there(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(CliError, match="cannot read the token") as caught:
        find_token(tmp_path / "missing", environ)
    assert caught.value.exit_code == NOT_ALLOWED


@pytest.mark.parametrize("content", [b"two\nlines", "ключ".encode(), b"\xff\xfe\x00"])
def test_what_cannot_be_a_token_is_said_of_the_file(content: bytes, environ: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    with pytest.raises(CliError, match=f"{path} holds no token") as caught:
        find_token(path, environ)
    assert caught.value.exit_code == NOT_ALLOWED
