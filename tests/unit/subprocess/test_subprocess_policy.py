from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pulsing.exceptions import Forbidden
from pulsing.subprocess.order import Order
from pulsing.subprocess.policy import Policy


def policy(base: Path, *programs: str, **more: Any) -> Policy:
    """A policy of a machine whose programs are in `bin`."""
    folder = base / "bin"
    folder.mkdir(exist_ok=True)
    for name in ("tool", "other"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    environment = {"PATH": str(folder), "HOME": "/home/x", "API_KEY": "secret", "LC_ALL": "C"}
    return Policy(programs, base, ("LC_*",), environment=environment, **more)


def test_a_listed_name_becomes_the_path_of_this_node(tmp_path: Path) -> None:
    approved = policy(tmp_path, "tool").approve(Order(["tool", "x"]))

    assert (approved.args, approved.executable) == (["tool", "x"], str(tmp_path / "bin" / "tool"))


def test_the_path_of_a_listed_name_is_as_good_as_the_name(tmp_path: Path) -> None:
    path = str(tmp_path / "bin" / "tool")

    assert policy(tmp_path, "tool").approve(Order(os.fsencode(path))).executable == path


@pytest.mark.parametrize("program", ["other", "bin/tool", "./tool", "/usr/bin/tool", "tool ", "TOOL", "*", "tool\n"])
def test_other_programs_are_forbidden(tmp_path: Path, program: str) -> None:
    with pytest.raises(Forbidden):
        policy(tmp_path, "tool").approve(Order([program]))


def test_the_executable_counts_and_not_the_name_that_it_is_given(tmp_path: Path) -> None:
    with pytest.raises(Forbidden):
        policy(tmp_path, "tool").approve(Order(["tool"], executable=str(tmp_path / "bin" / "other")))


def test_a_listed_program_that_is_not_here_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        policy(tmp_path, "missing").approve(Order(["missing"]))


def test_the_shell_is_forbidden_even_where_it_is_listed(tmp_path: Path) -> None:
    with pytest.raises(Forbidden, match="shell"):
        policy(tmp_path, "tool", "/bin/sh").approve(Order("tool", shell=True))


def test_nothing_is_allowed_where_links_prove_nothing(tmp_path: Path) -> None:
    with pytest.raises(Forbidden, match="insecure"):
        policy(tmp_path, "tool", secure=False).approve(Order(["tool"]))


def test_a_program_starts_in_the_directory_or_below(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rules = policy(tmp_path, "tool")

    assert rules.approve(Order(["tool"])).cwd == str(tmp_path)
    assert rules.approve(Order(["tool"], cwd=b"in")).cwd == str(tmp_path / "in")
    assert rules.approve(Order(["tool"], cwd="in/../in")).cwd == str(tmp_path / "in")
    for cwd in ("..", "/", str(tmp_path) + "x", "in/../.."):
        with pytest.raises(Forbidden, match="cwd"):
            rules.approve(Order(["tool"], cwd=cwd))


def test_only_harmless_variables_pass(tmp_path: Path) -> None:
    rules = policy(tmp_path, "tool")

    assert rules.approve(Order(["tool"])).env == {"PATH": str(tmp_path / "bin"), "HOME": "/home/x", "LC_ALL": "C"}
    assert rules.approve(Order(["tool"], env={"LC_TIME": "C"})).env == {"LC_TIME": "C"}
    for name in ("PATH", "LD_PRELOAD", "XLC_ALL", b"HOME"):
        with pytest.raises(Forbidden, match="setting"):
            rules.approve(Order(["tool"], env={name: "x"}))


def test_an_order_survives_the_way() -> None:
    order = Order(["a", b"b"], stdin=-1, env={"X": "1"}, needs={"num_cpus": 1.0}, name="n")

    assert Order.of(order.to_values()) == order
    assert set(Order(["a"]).to_values()) == {"args"}
