"""From the words of `pulsing actor` and `pulsing serve` to classes and arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pulsing.cli.actor_class import constructor_arguments, import_actor_class, import_object
from pulsing.cli.errors import USAGE, CliError

if TYPE_CHECKING:
    from somewhere import Else  # type: ignore[import-not-found]


class Worker:
    def __init__(self, label: str, size: int = 1, **more: Any) -> None:
        pass


class Sized:
    def __init__(self, size: int = 1) -> None:
        pass


class Typed:
    def __init__(self, label: str, size: int = 1, other: Else | None = None) -> None:
        pass


class Plain:
    pass


def test_words_are_converted_by_the_annotations() -> None:
    assert constructor_arguments(Worker, ["7", "size=3"]) == (["7", 3], {})


def test_an_annotation_that_is_only_there_for_type_checkers_hides_no_other() -> None:
    assert constructor_arguments(Typed, ["7", "size=3", "other=4"]) == (["7", 3, 4], {})


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
