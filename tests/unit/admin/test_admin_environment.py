"""Settings from the environment: read by type, refused by name, never shown."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pulsing.admin.environment import VARIABLES, settings_from
from pulsing.admin.settings import AdminSettings


def test_variables_are_read_by_their_type_and_arguments_win() -> None:
    environ = {
        "PULSING_ADMIN_ADDR": "127.0.0.1:1",
        "PULSING_ADMIN_TOKEN_FILE": "/x/y",
        "PULSING_ADMIN_READ_ONLY": "on",
        "PULSING_ADMIN_DISABLED_ACTIONS": "actor.stop, queue.put",
        "PULSING_LIMITS_FANOUT_S": "0.5",
        "PULSING_PASSPHRASE": "not ours",
    }
    settings = settings_from(environ, addr="127.0.0.1:2", token=None)
    assert settings == AdminSettings(
        addr="127.0.0.1:2",
        token_file=Path("/x/y"),
        read_only=True,
        disabled_actions=frozenset({"actor.stop", "queue.put"}),
        fanout_s=0.5,
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PULSING_ADMIN_REDONLY", "1", "did you mean PULSING_ADMIN_READ_ONLY"),
        ("PULSING_ADMIN_READ_ONLY", "perhaps", "PULSING_ADMIN_READ_ONLY cannot be read"),
        ("PULSING_LIMITS_STREAMS", "many", "PULSING_LIMITS_STREAMS cannot be read"),
        ("PULSING_PAYLOADS_MODE", "some", "payloads is off"),
        ("PULSING_ADMIN_METRICS_AUTH", "none", "metrics_auth is token or open"),
    ],
)
def test_what_means_nothing_is_an_error(name: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings_from({name: value})


def test_every_variable_sets_a_setting() -> None:
    fields = {field.name for field in dataclasses.fields(AdminSettings)}
    assert {key for key, _ in VARIABLES.values()} == fields - {"tokens", "auth"}
