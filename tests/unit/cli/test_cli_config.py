"""`pulsing config` and `pulsing doctor`: what is set, whether it can be, and what keeps a node from working."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from pulsing.cli.doctor import Finding, open_files, port, reach, rights
from pulsing.cli.errors import FAILED, USAGE
from pulsing.settings import OPTIONS, resolve
from pulsing.settings.describe import as_toml
from tests.unit.cli.scripted import Pulsing


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Named by --config it would stay in the environment of the tests that follow.
    monkeypatch.setenv("PULSING_CONFIG", "")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_show_says_where_each_value_comes_from_and_hides_secrets(
    pulsing: Pulsing, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "pulsing.toml").write_text('passphrase = "hush"\naddr = "127.0.0.1:1"\n')
    monkeypatch.setenv("PULSING_LIMITS_STREAMS", "5")

    outcome = pulsing("config", "show", "-o", "json")

    rows = {row["key"]: row for row in json.loads(outcome.out)["items"]}
    assert set(rows) == {option.key for option in OPTIONS}
    assert (rows["passphrase"]["value"], rows["passphrase"]["source"]) == ("•••", "file")
    assert (rows["limits.streams"]["value"], rows["limits.streams"]["place"]) == (5, "PULSING_LIMITS_STREAMS")
    assert rows["addr"]["value"] == "127.0.0.1:1"
    assert "hush" not in outcome.out


def test_a_misspelt_key_is_one_line_with_the_nearest(pulsing: Pulsing, folder: Path) -> None:
    (folder / "pulsing.toml").write_text("[admin]\nredonly = true\n")

    outcome = pulsing("config", "validate")

    assert outcome.exit_code == USAGE
    assert "there is no setting 'admin.redonly'; did you mean admin.read_only" in outcome.err
    assert "hint: pulsing config schema lists the settings" in outcome.err
    assert pulsing("config", "schema").exit_code == 0
    assert pulsing("serve").exit_code == USAGE


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('insecure = true\npassphrase = "x"\n', "exclude each other"),
        ('[tls]\nca = "ca.pem"\n', "go together"),
        ('[admin]\ndisabled_actions = ["actor.kill"]\n', "not an action: actor.kill"),
        ("[ui]\ntick_s = 100\n", "ui.tick_s: expected a number from 0.25 to 10, got 100"),
    ],
)
def test_values_that_exclude_each_other_are_found_without_a_start(
    pulsing: Pulsing, folder: Path, content: str, said: str
) -> None:
    file = folder / "prod.toml"
    file.write_text(content)

    outcome = pulsing("config", "validate", str(file))

    assert outcome.exit_code == USAGE
    assert said in outcome.err


def test_a_file_that_is_not_there_is_called_as_it_was_given(pulsing: Pulsing) -> None:
    outcome = pulsing("config", "validate", "no/such.toml")

    assert (outcome.exit_code, outcome.err.splitlines()[0]) == (USAGE, "pulsing: no/such.toml is no file")


def test_a_file_to_begin_with_changes_nothing_until_a_line_is_taken_in(pulsing: Pulsing, folder: Path) -> None:
    assert pulsing("config", "init").out == "pulsing.toml\n"
    assert pulsing("config", "validate").exit_code == 0
    assert pulsing("config", "init").exit_code == FAILED


def test_every_line_of_that_file_can_be_taken_in(folder: Path) -> None:
    lines = as_toml().splitlines()
    values = [line.removeprefix("# ") for line in lines if any(line.startswith(f"# {one.key} = ") for one in OPTIONS)]
    (folder / "pulsing.toml").write_text("\n".join(values))

    settings = resolve({}, folder=folder, node=True)

    assert len(values) == len(OPTIONS)
    assert all(setting.source == "file" for setting in settings.values())
    assert all(one.value == one.option.default for one in settings.values() if one.option.default is not None)


def test_the_schema_knows_every_key(pulsing: Pulsing) -> None:
    schema = json.loads(pulsing("config", "schema").out)

    assert schema["additionalProperties"] is False
    assert schema["properties"]["limits"]["properties"]["streams"]["type"] == "integer"
    assert schema["properties"]["checks"]["properties"]["queue_lag"]["properties"]["warn"]["type"] == "number"
    assert leaves(schema) == len(OPTIONS)


def leaves(schema: dict[str, Any]) -> int:
    """How many values a schema describes."""
    return sum(map(leaves, schema["properties"].values())) if "properties" in schema else 1


def test_the_doctor_names_a_wrong_setting_and_its_remedy(pulsing: Pulsing, folder: Path) -> None:
    (folder / "pulsing.toml").write_text("nothing = 1\n")

    outcome = pulsing("doctor")

    assert outcome.exit_code == FAILED
    assert "bad   settings" in outcome.out
    assert "fix: correct it" in outcome.out


def test_the_doctor_sees_a_taken_port_and_a_silent_seed(pulsing: Pulsing, free_port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        addr = f"127.0.0.1:{taken.getsockname()[1]}"
        assert port("node address", addr, "bad", "end it") == Finding(
            "node address", "bad", f"{addr}: Address already in use", "end it"
        )
        assert reach(addr).status == "ok"
    assert port("node address", f"127.0.0.1:{free_port}", "bad", "another").status == "ok"
    assert reach(f"127.0.0.1:{free_port}").status == "warn"
    assert reach("nonsense").detail == "nonsense: an address is host:port"


def test_the_doctor_sees_who_may_read_a_secret(tmp_path: Path) -> None:
    token = tmp_path / "token"
    assert rights("token", token).status == "ok"
    token.write_text("secret")
    token.chmod(0o644)
    assert rights("token", token).fix == f"chmod 600 {token}"
    token.chmod(0o600)
    assert rights("token", token).status == "ok"


@pytest.mark.parametrize(("limit", "status"), [(256, "warn"), (65536, "ok"), (-1, "ok")])
def test_the_doctor_sees_how_many_files_may_be_open(limit: int, status: str) -> None:
    assert open_files(limit).status == status


def test_another_file_is_read_by_what_the_command_starts_too(pulsing: Pulsing, folder: Path) -> None:
    file = folder / "other.toml"
    file.write_text("[ui]\ntick_s = 2\n")

    assert "ui.tick_s,2,file" in pulsing("config", "show", "--config", str(file), "-o", "csv").out
    assert os.environ["PULSING_CONFIG"] == str(file)
