"""From the words of `pulsing actor` and `pulsing serve` to classes and arguments."""

from __future__ import annotations

from typing import Any

import pytest

from pulsing.cli.errors import USAGE, CliError
from pulsing.cli.serve import constructor_arguments, import_actor_class, import_object, introduction, node_flags
from pulsing.settings import resolve
from tests.unit.cli.scripted import Pulsing


class Worker:
    def __init__(self, label: str, size: int = 1, **more: Any) -> None:
        pass


class Sized:
    def __init__(self, size: int = 1) -> None:
        pass


class Plain:
    pass


class Echo:
    async def receive(self, message: Any) -> Any:
        return message


def test_words_are_converted_by_the_annotations() -> None:
    assert constructor_arguments(Worker, ["7", "size=3"]) == (["7", 3], {})


def test_unknown_keywords_go_where_any_are_taken() -> None:
    assert constructor_arguments(Worker, ["label=a", "speed=1.5"]) == (["a"], {"speed": 1.5})


def test_a_word_with_an_equals_sign_may_be_a_value() -> None:
    assert constructor_arguments(Worker, ["a+b=c"]) == (["a+b=c"], {})


def test_arguments_that_do_not_fit_are_a_mistake_of_usage() -> None:
    with pytest.raises(CliError, match="Worker: missing a required argument: 'label'") as caught:
        constructor_arguments(Worker, [])
    assert caught.value.exit_code == USAGE


@pytest.mark.parametrize("word", ["size=much", "sise=3"])
def test_arguments_of_another_kind_than_annotated_are_a_mistake_of_usage(word: str) -> None:
    with pytest.raises(CliError, match=r"Sized: size: .*integer") as caught:
        constructor_arguments(Sized, [word])
    assert (caught.value.exit_code, caught.value.hint) == (USAGE, "the signature is (size=1)")


def test_a_class_without_a_constructor_takes_nothing() -> None:
    assert constructor_arguments(Plain, []) == ([], {})


@pytest.mark.parametrize(
    ("path", "what"),
    [("json.dumps", "'json.dumps' is no class"), ("json.JSONDecoder", "JSONDecoder is no class of actors")],
)
def test_what_is_no_class_of_actors_is_a_mistake_of_usage(path: str, what: str) -> None:
    with pytest.raises(CliError, match=what) as caught:
        import_actor_class(path)
    assert caught.value.exit_code == USAGE


def test_a_name_that_no_actor_can_have_is_a_mistake_of_usage(pulsing: Pulsing) -> None:
    outcome = pulsing("actor", f"{__name__}.Echo", "--name", "a b")

    assert (outcome.exit_code, outcome.err.startswith("pulsing: name 'a b' may hold")) == (USAGE, True)


@pytest.mark.parametrize("path", ["json", "json:JSONDecoder", "json.JSONDecoder", "json.decoder.JSONDecoder"])
def test_a_module_or_what_is_in_it_can_be_named(path: str) -> None:
    assert import_object(path) is not None


@pytest.mark.parametrize("path", ["no_such_module", "json:Nothing", "json.Nothing", "no.such.Class"])
def test_what_cannot_be_imported_is_a_mistake_of_usage(path: str) -> None:
    with pytest.raises(CliError, match="cannot import") as caught:
        import_object(path)
    assert caught.value.exit_code == USAGE


@pytest.mark.parametrize("path", ["json.py", "./json.py", "some/where/json.py", "./json.py:dumps"])
def test_who_names_a_file_is_told_to_name_the_module(path: str) -> None:
    with pytest.raises(CliError) as caught:
        import_object(path)
    assert caught.value.exit_code == USAGE
    assert (caught.value.hint or "").endswith("in the folder of its file: json")


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
