"""The settings of the admin app out of those of the node: the same values, the same defaults."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from pulsing.admin.environment import FIELDS, setting_rows, settings_from
from pulsing.admin.settings import AdminSettings, NamedToken
from pulsing.settings import THRESHOLDS, resolve


def test_variables_become_fields_and_arguments_win(tmp_path: Path) -> None:
    environ = {
        "PULSING_ADMIN_ADDR": "127.0.0.1:1",
        "PULSING_ADMIN_TOKEN_FILE": "/x/y",
        "PULSING_ADMIN_READ_ONLY": "on",
        "PULSING_ADMIN_DISABLED_ACTIONS": "actor.stop, queue.put",
        "PULSING_LIMITS_FANOUT_S": "0.5",
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    settings = settings_from(resolve(environ, folder=tmp_path), addr="127.0.0.1:2", token=None)
    assert settings == AdminSettings(
        addr="127.0.0.1:2",
        token_file=Path("/x/y"),
        read_only=True,
        disabled_actions=frozenset({"actor.stop", "queue.put"}),
        fanout_s=0.5,
    )


def test_what_nobody_set_is_as_the_app_has_it_by_itself(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert settings_from(resolve(environ, folder=tmp_path)) == AdminSettings()


def test_every_field_has_its_setting() -> None:
    assert {field.name for field in dataclasses.fields(AdminSettings)} - {"auth", "chosen", "thresholds"} == set(
        FIELDS.values()
    )


def test_each_check_takes_its_thresholds_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / "pulsing.toml").write_text("[checks.queue_lag]\nwarn = 5\n[checks.disk]\nenabled = false\n")
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "PULSING_CHECKS_MEMBERS_CRITICAL": "0.9"}
    found = settings_from(resolve(environ, folder=tmp_path)).thresholds
    assert found["queue_lag"] == (5.0, 600.0, True)
    assert not found["disk"].enabled
    assert found["members"] == (0.0, 0.9, True)
    assert found["agreement"] == THRESHOLDS["agreement"]


def test_further_tokens_come_from_a_file(tmp_path: Path) -> None:
    token = NamedToken.of("ci", "viewer", "a" * 20)
    (tmp_path / "pulsing.toml").write_text(
        f'[[admin.tokens]]\nname = "ci"\nrole = "viewer"\nsha256 = "{token.sha256}"\n'
    )
    assert settings_from(resolve({}, folder=tmp_path)).tokens == (token,)


def test_a_file_may_be_named_from_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pulsing.toml").write_text('[admin]\ntoken_file = "~/token"\ntls_cert = "~/cert"\ntls_key = "~/key"\n')
    found = settings_from(resolve({}, folder=tmp_path))
    assert (found.token_file, found.tls_cert, found.tls_key) == tuple(
        tmp_path / name for name in ("token", "cert", "key")
    )


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"name": "ci", "role": "viewer"}, "name, role and sha256"),
        ({"name": "ci", "role": "king", "sha256": "0"}, "a role is viewer, operator, admin, got 'king'"),
    ],
)
def test_a_token_that_is_none_is_refused(tmp_path: Path, table: dict[str, Any], said: str) -> None:
    settings = resolve({}, folder=tmp_path, arguments={"admin.tokens": (table,)})
    with pytest.raises(ValueError, match=said):
        settings_from(settings)


def test_what_is_shown_says_who_chose_it_and_hides_secrets(tmp_path: Path) -> None:
    environ = {
        "PULSING_ADMIN_TOKEN": "t" * 20,
        "PULSING_ADMIN_DISABLED_ACTIONS": "actor.stop",
        "PULSING_PASSPHRASE": "x",
    }
    admin = settings_from(resolve(environ, folder=tmp_path), addr="127.0.0.1:2")
    rows = {row["key"]: row for row in setting_rows(admin)}
    assert [rows["admin.token"][name] for name in ("value", "source", "place")] == ["•••", "env", "PULSING_ADMIN_TOKEN"]
    assert (rows["passphrase"]["value"], rows["admin.addr"]["source"]) == ("•••", "argument")
    assert (rows["admin.disabled_actions"]["value"], rows["limits.streams"]["source"]) == (["actor.stop"], "default")


def test_of_an_app_made_by_a_program_its_own_settings_are_shown() -> None:
    rows = {row["key"]: row for row in setting_rows(AdminSettings(read_only=True))}
    assert (rows["admin.read_only"]["value"], rows["admin.read_only"]["source"]) == (True, "argument")
    assert set(rows) == set(FIELDS)
