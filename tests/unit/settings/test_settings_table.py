"""The table of settings: names that nobody can mix up, defaults that are those of the code."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pulsing.config import SystemConfig, system_config
from pulsing.settings import OPTIONS, resolve


def test_no_two_settings_share_a_name() -> None:
    keys = [option.key for option in OPTIONS]
    variables = [option.env for option in OPTIONS if option.env]
    assert len(set(keys)) == len(keys)
    assert len(set(variables)) == len(variables)


def test_a_variable_follows_from_its_key_except_for_the_switch_of_the_admin_plane() -> None:
    named = {option.key: option.env for option in OPTIONS if option.variable}
    assert named == {"admin.enabled": "PULSING_ADMIN"}
    assert next(option.env for option in OPTIONS if option.key == "limits.fanout_s") == "PULSING_LIMITS_FANOUT_S"


def test_a_default_is_of_the_kind_that_a_file_may_hold() -> None:
    for option in OPTIONS:
        if option.default is not None:
            in_file = list(option.default) if isinstance(option.default, tuple) else option.default
            assert option.from_file(in_file, option.key) == option.default


def test_a_setting_without_a_default_says_what_holds_then() -> None:
    assert [option.key for option in OPTIONS if option.default is None and not option.unset] == []


def test_what_nobody_set_is_as_a_system_has_it_by_itself(tmp_path: Path) -> None:
    config = system_config(resolve({"XDG_CONFIG_HOME": str(tmp_path)}, node=True, folder=tmp_path))
    assert dataclasses.replace(config, settings=None) == SystemConfig()


def test_every_doc_is_a_sentence() -> None:
    assert all(option.doc.endswith(".") and len(option.doc) < 100 for option in OPTIONS)
