"""Nodes from the command line: what their flags set, and what they say at their start."""

from __future__ import annotations

from typing import Any

from pulsing.cli.errors import USAGE
from pulsing.cli.serve import introduction, node_flags
from pulsing.settings import resolve
from tests.unit.cli.scripted import Pulsing


class Echo:
    async def receive(self, message: Any) -> Any:
        return message


def test_a_name_that_no_actor_can_have_is_a_mistake_of_usage(pulsing: Pulsing) -> None:
    outcome = pulsing("actor", f"{__name__}.Echo", "--name", "a b")

    assert (outcome.exit_code, outcome.err.startswith("pulsing: name 'a b' may hold")) == (USAGE, True)


def test_flags_set_settings_and_come_before_set() -> None:
    flags = node_flags(["addr=h:1", "limits.streams=5"], "h:2", "a:1,b:2", False, None, None, True, True)
    settings = resolve({}, flags=flags, node=True)
    assert settings["addr"].value == "h:2"
    assert settings["seeds"].value == ("a:1", "b:2")
    assert settings["admin.enabled"].value is False
    assert settings["admin.read_only"].value is True
    assert (settings["limits.streams"].value, settings["limits.streams"].source) == (5, "flag")
    assert settings["is_head_node"].source == "default"


def test_a_node_says_where_it_is_and_what_to_try() -> None:
    lines = introduction("127.0.0.1:4000", "http://127.0.0.1:8700", "http://127.0.0.1:8700/ui/#login=x")

    assert lines == [
        "node       127.0.0.1:4000",
        "admin      http://127.0.0.1:8700",
        "dashboard  http://127.0.0.1:8700/ui/#login=x",
        "try        pulsing status",
        "try        pulsing list actors",
        "try        pulsing events -f",
        "join       pulsing serve --seeds 127.0.0.1:4000",
    ]


def test_a_node_without_admin_has_nothing_to_look_at() -> None:
    assert introduction("127.0.0.1:4000", None, None) == [
        "node       127.0.0.1:4000",
        "join       pulsing serve --seeds 127.0.0.1:4000",
    ]
