"""Which secret is used, how the token file is made and what is refused, and that no secret shows."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
import stat
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pulsing.exceptions import AuthFailed
from pulsing.ids import NodeId
from pulsing.node import credentials as credentials_module
from pulsing.node.credentials import Credentials, Secret, find_credentials
from pulsing.node.gate import LinkGate
from pulsing.node.token_file import read_or_create_token, token_path
from pulsing.wire.handshake import Terms, link_key, root_of_passphrase, root_of_token

CANARY = "canary-secret-7c1e"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


@pytest.fixture
def token_file(environ: dict[str, str]) -> Path:
    return token_path(environ)


def test_the_argument_wins_over_the_environment(environ: dict[str, str]) -> None:
    found = find_credentials(passphrase="a", environ={**environ, "PULSING_PASSPHRASE": "b"})
    assert found.mode == "passphrase"
    assert [secret.reveal() for secret in found._secrets] == [b"a"]


def test_the_environment_wins_over_the_file(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "phrase"
    file.write_text("from the file\nmore\n")
    alone = find_credentials(passphrase_file=file, environ=environ)
    beside = find_credentials(passphrase_file=file, environ={**environ, "PULSING_PASSPHRASE": "b"})
    assert [secret.reveal() for secret in alone._secrets] == [b"from the file"]
    assert [secret.reveal() for secret in beside._secrets] == [b"b"]


def test_without_a_passphrase_the_token_file_is_used(environ: dict[str, str], token_file: Path) -> None:
    found = find_credentials(environ=environ)
    assert found.mode == "token"
    assert [secret.reveal().hex() for secret in found._secrets] == [token_file.read_text().strip()]


@pytest.mark.parametrize("asked", [{"insecure": True}, {"environ": {"PULSING_INSECURE": "1"}}])
def test_insecure_mode_must_be_asked_for_and_makes_no_token_file(
    asked: dict[str, object], environ: dict[str, str], token_file: Path
) -> None:
    arguments = {"environ": environ, **asked}
    if "environ" in asked:
        arguments["environ"] = {**environ, **asked["environ"]}  # type: ignore[dict-item]
    assert find_credentials(**arguments).mode == "insecure"  # type: ignore[arg-type]
    assert not token_file.exists()


def test_insecure_false_overrules_the_environment(environ: dict[str, str]) -> None:
    assert find_credentials(insecure=False, environ={**environ, "PULSING_INSECURE": "1"}).mode == "token"


@pytest.mark.parametrize(
    ("passphrase", "insecure", "variables"),
    [("x", True, {}), ("x", None, {"PULSING_INSECURE": "1"}), (None, True, {"PULSING_PASSPHRASE": "x"})],
)
def test_insecure_mode_and_a_passphrase_exclude_each_other(
    passphrase: str | None, insecure: bool | None, variables: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        find_credentials(passphrase=passphrase, insecure=insecure, environ=variables)


def test_an_empty_passphrase_is_an_error_and_not_an_open_door(environ: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="empty"):
        find_credentials(environ={**environ, "PULSING_PASSPHRASE": ""})


async def test_keys_come_from_all_secrets_the_newest_first() -> None:
    found = Credentials("token", [Secret(bytes(32)), Secret(bytes(range(32)))])
    keys = [key.reveal() for key in await found.keys()]
    assert keys == [link_key(root_of_token(token, "pulsing")) for token in (bytes(32), bytes(range(32)))]


async def test_insecure_mode_has_no_keys() -> None:
    assert await Credentials("insecure", ()).keys() == ()


def test_a_passphrase_is_stretched_once_and_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def stretch(passphrase: str, cluster: str) -> bytes:
        threads.append(threading.current_thread())
        return root_of_passphrase(passphrase, cluster)

    monkeypatch.setattr(credentials_module, "root_of_passphrase", stretch)
    found = find_credentials(passphrase="correct horse battery", environ={})

    async def twice() -> tuple[tuple[Secret, ...], tuple[Secret, ...]]:
        return await asyncio.gather(found.roots(), found.roots())

    first, second = asyncio.run(twice())
    assert first == second == asyncio.run(found.roots())
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_the_token_file_and_its_directory_are_for_the_user_only(token_file: Path) -> None:
    old = os.umask(0)
    try:
        token = read_or_create_token(token_file)
    finally:
        os.umask(old)
    assert token_file.read_bytes() == token.hex().encode() + b"\n"
    assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(token_file.parent.stat().st_mode) == 0o700
    assert list(token_file.parent.iterdir()) == [token_file]


def test_a_second_reader_gets_the_same_token(token_file: Path) -> None:
    assert read_or_create_token(token_file) == read_or_create_token(token_file)


def test_of_many_makers_at_once_one_wins_and_all_read_its_token(token_file: Path) -> None:
    start = threading.Barrier(8)

    def make() -> bytes:
        start.wait()
        return read_or_create_token(token_file)

    with ThreadPoolExecutor(8) as pool:
        tokens = {future.result() for future in [pool.submit(make) for _ in range(8)]}
    assert len(tokens) == 1
    assert list(token_file.parent.iterdir()) == [token_file]


def _symlink(path: Path) -> None:
    target = path.with_name("elsewhere")
    read_or_create_token(target)
    path.symlink_to(target)


def _dangling(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere"))


def _loose(path: Path) -> None:
    read_or_create_token(path)
    path.chmod(0o640)


def _short(path: Path) -> None:
    path.touch(0o600)
    path.write_text("ab\n")


def _not_hex(path: Path) -> None:
    path.touch(0o600)
    path.write_text("g" * 64 + "\n")


@pytest.mark.parametrize(
    ("spoil", "fix"),
    [
        (_symlink, "symbolic link"),
        (_dangling, "symbolic link"),
        (lambda path: path.mkdir(), "regular file"),
        (os.mkfifo, "regular file"),
        (_loose, "chmod 600"),
        (_short, "3 bytes long"),
        (_not_hex, "64 hexadecimal digits"),
    ],
)
def test_a_token_file_that_cannot_be_trusted_is_refused_with_path_and_fix(
    spoil: object, fix: str, token_file: Path
) -> None:
    token_file.parent.mkdir(parents=True)
    spoil(token_file)  # type: ignore[operator]
    with pytest.raises(AuthFailed, match=fix) as caught:
        read_or_create_token(token_file)
    assert str(token_file) in str(caught.value)


def test_a_token_file_of_another_user_is_refused(token_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_or_create_token(token_file)
    owner = token_file.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(AuthFailed, match="another user"):
        read_or_create_token(token_file)


def test_a_refusal_does_not_tell_the_token(token_file: Path) -> None:
    token = read_or_create_token(token_file)
    token_file.chmod(0o644)
    with pytest.raises(AuthFailed) as caught:
        read_or_create_token(token_file)
    assert token.hex() not in str(caught.value)


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(CANARY.encode())
    shown = [repr(secret), str(secret), f"{secret}", f"{[secret]}", f"{secret!r}"]
    assert not any(CANARY in text for text in shown)


def test_credentials_show_their_kind_only() -> None:
    found = find_credentials(passphrase=CANARY, environ={})
    assert repr(found) == "Credentials(mode='passphrase', cluster='pulsing')"
    assert CANARY not in f"{vars(found)}"


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_copied_or_pickled(leak: object) -> None:
    with pytest.raises(TypeError, match="secret"):
        leak(Secret(b"x"))  # type: ignore[operator]


@pytest.mark.parametrize("use", [LinkGate.answer, lambda gate: gate.dial(0), lambda gate: gate.attempts])
def test_a_gate_that_is_not_ready_is_not_an_open_one(use: Callable[[LinkGate], object]) -> None:
    gate = LinkGate(Credentials("token", [Secret(bytes(32))]), NodeId(), Terms())
    with pytest.raises(RuntimeError, match="not ready"):
        use(gate)


@pytest.mark.parametrize(
    "weak", ["secret", "correct horse battery", "hunter2!", "aaaaaaaaaaaaaaaaaaaaaaaa", "1234567890"]
)
def test_a_weak_passphrase_is_warned_of_and_not_shown(weak: str, caplog: pytest.LogCaptureFixture) -> None:
    assert find_credentials(passphrase=weak, environ={}).mode == "passphrase"
    assert "bits" in caplog.text
    assert weak not in caplog.text


@pytest.mark.parametrize("strong", ["ostrich lamp velvet quartz binder sole", "x7Kp2mQ9vL4w", "0123456789abcdef" * 4])
def test_a_strong_passphrase_is_taken_without_a_word(strong: str, caplog: pytest.LogCaptureFixture) -> None:
    find_credentials(passphrase=strong, environ={})
    assert caplog.text == ""


def test_insecure_mode_is_loud(caplog: pytest.LogCaptureFixture) -> None:
    find_credentials(insecure=True, environ={})
    assert "insecure" in caplog.text


@pytest.mark.parametrize("content", [None, b"\xff\xfe canary"])
def test_a_passphrase_file_that_cannot_be_read_is_named_and_not_shown(
    environ: dict[str, str], tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "phrase"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AuthFailed, match="phrase") as refused:
        find_credentials(passphrase_file=str(file), environ=environ)
    assert "canary" not in "".join(traceback.format_exception(refused.value))


def test_tokens_may_be_rotated_by_two_files(environ: dict[str, str], tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("new.token", "old.token")]
    found = find_credentials(token_file=files, environ=environ)
    assert [secret.reveal().hex() for secret in found._secrets] == [Path(file).read_text().strip() for file in files]


def test_a_passphrase_file_and_insecure_mode_exclude_each_other(environ: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "phrase"
    file.write_text("six words would be better\n")
    with pytest.raises(ValueError, match="exclude"):
        find_credentials(passphrase_file=file, insecure=True, environ=environ)
