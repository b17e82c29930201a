"""Which of several places wins, and what is said of a setting that means nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pulsing.settings import SettingError, Settings, resolve


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home" / "pulsing").mkdir(parents=True)
    return {"XDG_CONFIG_HOME": str(tmp_path / "home")}


def own_file(home: dict[str, str]) -> Path:
    return Path(home["XDG_CONFIG_HOME"]) / "pulsing" / "config.toml"


def chosen(settings: Settings, key: str) -> tuple[Any, str]:
    return settings[key].value, settings[key].source


def test_argument_comes_before_flag_before_environment_before_file_before_default(
    folder: Path, home: dict[str, str]
) -> None:
    key = "limits.streams"
    assert chosen(resolve(home, folder=folder), key) == (32, "default")
    (folder / "pulsing.toml").write_text("[limits]\nstreams = 1\n")
    assert chosen(resolve(home, folder=folder), key) == (1, "file")
    environ = {**home, "PULSING_LIMITS_STREAMS": "2"}
    assert chosen(resolve(environ, folder=folder), key) == (2, "env")
    assert chosen(resolve(environ, folder=folder, flags={key: "3"}), key) == (3, "flag")
    assert chosen(resolve(environ, folder=folder, flags={key: "3"}, arguments={key: 4}), key) == (4, "argument")


OUT_OF_BOUNDS = [
    ("PULSING_LIMITS_STREAMS", "-1", "a whole number from 0 on"),
    ("PULSING_LIMITS_FANOUT_S", "0", "a number from 0.01 on"),
    ("PULSING_TRACING_RATIO", "2", "a number from 0 to 1"),
    ("PULSING_TRACING_RATIO", "nan", "a number from 0 to 1"),
    ("PULSING_UI_TICK_S", "0.1", "a number from 0.25 to 10"),
    ("PULSING_CONTROL_PORT", "70000", "a whole number from 0 to 65,535"),
    ("PULSING_NODE_MAILBOX", "0", "a whole number from 1 on"),
]


@pytest.mark.parametrize(("variable", "text", "expected"), OUT_OF_BOUNDS)
def test_a_number_that_is_too_small_or_too_large_is_refused_where_it_is_set(
    variable: str, text: str, expected: str, folder: Path, home: dict[str, str]
) -> None:
    with pytest.raises(SettingError, match=f"^{variable}: expected {expected}, got '{text}'$"):
        resolve({**home, variable: text}, folder=folder)


def test_a_number_in_a_file_has_bounds_too(folder: Path, home: dict[str, str]) -> None:
    (folder / "pulsing.toml").write_text("[metrics]\nmax_pairs = 0\n")
    with pytest.raises(
        SettingError, match=r"pulsing.toml: metrics.max_pairs: expected a whole number from 1 on, got 0"
    ):
        resolve(home, folder=folder)


def test_the_nearest_file_wins_and_no_two_are_put_together(folder: Path, home: dict[str, str]) -> None:
    own_file(home).write_text('[node]\nname = "user"\n[ui]\ntick_s = 3\n')
    assert chosen(resolve(home, folder=folder), "node.name") == ("user", "file")
    (folder / "pyproject.toml").write_text('[tool.pulsing]\nnode.name = "project"\n')
    assert chosen(resolve(home, folder=folder), "node.name") == ("project", "file")
    (folder / "pulsing.toml").write_text('node.name = "own"\n')
    assert chosen(resolve(home, folder=folder), "node.name") == ("own", "file")
    named = folder / "other.toml"
    named.write_text('node.name = "named"\n')
    settings = resolve({**home, "PULSING_CONFIG": str(named)}, folder=folder)
    assert (settings["node.name"].value, settings["node.name"].place) == ("named", str(named))
    assert chosen(settings, "ui.tick_s") == (1.0, "default")


def test_a_project_that_says_nothing_to_us_is_passed_over(folder: Path, home: dict[str, str]) -> None:
    own_file(home).write_text("[ui]\ntick_s = 3\n")
    (folder / "pyproject.toml").write_text("this is not even TOML")
    assert chosen(resolve(home, folder=folder), "ui.tick_s") == (3.0, "file")


def test_where_to_listen_comes_from_file_and_environment_for_commands_only(folder: Path, home: dict[str, str]) -> None:
    (folder / "pulsing.toml").write_text('addr = "127.0.0.1:1"\n')
    environ = {**home, "PULSING_SEEDS": "a:1, b:2"}
    assert resolve(environ, folder=folder)["addr"].value is None
    node = resolve(environ, folder=folder, node=True)
    assert (node["addr"].value, node["seeds"].value) == ("127.0.0.1:1", ("a:1", "b:2"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[limit]\nstreams = 1\n", "there is no setting 'limit.streams'; did you mean limits.streams"),
        ("[limits]\nstreams = '1'\n", "limits.streams: expected a whole number from 0 on, got '1'"),
        ("[limits]\nstreams = true\n", "limits.streams: expected a whole number from 0 on, got True"),
        ("[admin]\nread_only = 1\n", "admin.read_only: expected true or false, got 1"),
        ("[subprocess]\nresources = ['gpu']\n", "subprocess.resources: expected name=amount, with commas between them"),
        ("[subprocess]\nresources = ['gpu=-1']\n", "subprocess.resources: expected name=amount"),
        ("[admin]\nspawnable = [1]\n", "admin.spawnable: expected words"),
        ("[payloads]\nmode = 'some'\n", "payloads.mode: expected off, types, preview or full, got 'some'"),
        ("x = = 1\n", "is no TOML"),
    ],
)
def test_what_a_file_cannot_say_is_named_with_the_file(
    folder: Path, home: dict[str, str], content: str, said: str
) -> None:
    (folder / "pulsing.toml").write_text(content)
    with pytest.raises(SettingError, match=said) as caught:
        resolve(home, folder=folder)
    assert "pulsing.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("PULSING_ADMIN_REDONLY", "1", "did you mean PULSING_ADMIN_READ_ONLY"),
        ("PULSING_PASPHRASE", "x", "did you mean PULSING_PASSPHRASE"),
        ("PULSING_PORT", "7700", "PULSING_PORT sets nothing; did you mean PULSING_PORTS"),
        ("PULSING_ADMIN_PORT", "8700", "PULSING_ADMIN_PORT sets nothing"),
        ("PULSING_LIMITS_WHATEVER_ELSE", "1", "PULSING_LIMITS_WHATEVER_ELSE sets nothing"),
        ("PULSING_SUBPROCESS_RESOURCES", "disk=some", "PULSING_SUBPROCESS_RESOURCES: expected name=amount"),
        ("PULSING_ADMIN_READ_ONLY", "perhaps", "PULSING_ADMIN_READ_ONLY: expected true or false, got 'perhaps'"),
        ("PULSING_CONTROL_PORT", "many", "PULSING_CONTROL_PORT: expected a whole number from 0 to 65,535, got 'many'"),
        ("PULSING_CONFIG", "/no/such/file", "PULSING_CONFIG names /no/such/file"),
    ],
)
def test_what_a_variable_cannot_say_is_an_error(
    folder: Path, home: dict[str, str], name: str, text: str, said: str
) -> None:
    with pytest.raises(SettingError, match=said):
        resolve({**home, name: text}, folder=folder)


def test_variables_of_others_that_begin_like_ours_are_theirs(folder: Path, home: dict[str, str]) -> None:
    theirs = {
        "PULSING_SERVICE_HOST": "10.0.0.1",
        "PULSING_SERVICE_PORT": "8700",
        "PULSING_PORT": "tcp://10.0.0.1:8700",
        "PULSING_PORT_8700_TCP": "tcp://10.0.0.1:8700",
        "PULSING_PORT_8700_TCP_PROTO": "tcp",
        "PULSING_ADMIN_SERVICE_HOST": "10.0.0.1",
        "PULSING_ADMIN_SERVICE_PORT": "8700",
        "PULSING_ADMIN_SERVICE_PORT_HTTP": "8700",
        "PULSING_ADMIN_PORT": "tcp://10.0.0.1:8700",
        "PULSING_ADMIN_PORT_8700_TCP": "tcp://10.0.0.1:8700",
        "PULSING_ADMIN_PORT_8700_TCP_ADDR": "10.0.0.1",
        "PULSING_ENDPOINT": "x",
    }
    settings = resolve({**home, **theirs}, folder=folder)
    assert {setting.source for setting in settings.values()} == {"default"}


def test_an_empty_variable_sets_nothing(folder: Path, home: dict[str, str]) -> None:
    assert chosen(resolve({**home, "PULSING_ADMIN": " "}, folder=folder), "admin.enabled") == (None, "default")


def test_a_secret_is_neither_shown_nor_repeated(folder: Path, home: dict[str, str]) -> None:
    settings = resolve({**home, "PULSING_PASSPHRASE": "hush"}, folder=folder)
    assert settings["passphrase"].shown == "•••"
    assert "•••" in repr(settings["passphrase"])
    assert settings["admin.token"].shown is None
    (folder / "pulsing.toml").write_text("passphrase = ['hush']\n")
    with pytest.raises(SettingError) as caught:
        resolve(home, folder=folder)
    assert "hush" not in str(caught.value)


def test_an_unknown_flag_names_the_nearest(folder: Path, home: dict[str, str]) -> None:
    with pytest.raises(SettingError, match=r"--set: there is no setting 'node.nme'; did you mean node.name"):
        resolve(home, folder=folder, flags={"node.nme": "x"})


@pytest.mark.parametrize("key", ["passphrase", "admin.token", "admin.tokens"])
def test_a_secret_is_not_taken_from_a_command_line(folder: Path, home: dict[str, str], key: str) -> None:
    with pytest.raises(SettingError, match="is a secret") as caught:
        resolve(home, folder=folder, flags={key: "hush"})
    assert "hush" not in str(caught.value)
