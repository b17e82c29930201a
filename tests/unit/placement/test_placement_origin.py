"""Where another interpreter finds a class."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from pathlib import Path

import pytest

import pulsing as pul
from pulsing.core.classes import actor_class_of
from pulsing.modules import MAIN, MAIN_AGAIN, module_of
from pulsing.placement.origin import Origin, load, origin_of
from pulsing.wire.registry import wire_name


class Plain:
    pass


Placed = pul.remote(Plain)


def main_module(monkeypatch: pytest.MonkeyPatch, **fields: object) -> None:
    module = types.ModuleType(MAIN)
    for name, value in fields.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, MAIN, module)


def class_of_the_script() -> type:
    return type("OfScript", (), {"__module__": MAIN, "__qualname__": "OfScript"})


def test_a_class_of_a_module_is_found_by_the_modules_name() -> None:
    assert origin_of(Placed) == Origin(f"{__name__}.Plain", __name__)
    assert load(origin_of(Placed)) is Placed


def test_a_class_inside_a_function_is_refused() -> None:
    class Hidden:
        pass

    with pytest.raises(pul.PulsingRuntimeError, match="inside a function"):
        origin_of(pul.remote(Hidden))


def test_a_class_of_the_script_is_found_by_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.touch()
    main_module(monkeypatch, __file__=str(script), __spec__=None)

    assert origin_of(pul.remote(class_of_the_script())) == Origin("__main__.OfScript", MAIN, script=str(script))


def test_a_script_that_was_started_as_a_module_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    main_module(monkeypatch, __spec__=types.SimpleNamespace(name="package.tool"))

    assert origin_of(pul.remote(class_of_the_script())).run_as == "package.tool"


@pytest.mark.parametrize("fields", [{}, {"__file__": "<stdin>"}], ids=["prompt", "standard input"])
def test_a_class_of_an_interactive_session_is_refused(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, object]
) -> None:
    main_module(monkeypatch, __spec__=None, **fields)

    with pytest.raises(pul.PulsingRuntimeError, match="interactive session"):
        origin_of(pul.remote(class_of_the_script()))


def test_a_script_is_run_for_its_classes_only_and_they_keep_their_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import pulsing as pul\n"
        "@pul.remote\nclass Job:\n    pass\n"
        "if __name__ == '__main__':\n    raise AssertionError('the main part ran')\n"
    )
    monkeypatch.setitem(sys.modules, MAIN, sys.modules[MAIN])
    monkeypatch.setitem(sys.modules, MAIN_AGAIN, types.ModuleType(MAIN_AGAIN))

    loaded = load(Origin("__main__.Job", MAIN, script=str(script)))

    assert loaded._cls.__module__ == MAIN_AGAIN
    assert module_of(loaded._cls) == MAIN
    assert wire_name(loaded._cls) == "__main__:Job"
    assert actor_class_of(loaded._cls) is loaded


def test_what_cannot_be_imported_says_why() -> None:
    with pytest.raises(pul.PulsingRuntimeError, match=r"No module named 'nowhere_at_all'"):
        load(Origin("nowhere_at_all.Job", "nowhere_at_all"))


def test_a_module_that_does_not_register_the_class_is_an_error() -> None:
    with pytest.raises(pul.PulsingRuntimeError, match="not found"):
        load(replace(origin_of(Placed), class_name=f"{__name__}.Other"))


def test_a_script_that_ends_the_interpreter_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit(2)\n")
    monkeypatch.setitem(sys.modules, MAIN, sys.modules[MAIN])

    with pytest.raises(pul.PulsingRuntimeError, match="its main part belongs under"):
        load(Origin("__main__.Job", MAIN, script=str(script)))
