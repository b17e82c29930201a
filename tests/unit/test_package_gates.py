"""What may turn bytes or names into code, and the few places where it does: a new one fails here first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pulsing

PACKAGE = Path(pulsing.__file__).parent

FORBIDDEN_MODULES = {"cloudpickle", "dill", "marshal", "shelve", "jsonpickle", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
DANGEROUS_ATTRIBUTES = {
    "pickle": {"load", "loads", "Unpickler", "_Unpickler", "_loads"},
    "importlib": {"import_module", "__import__", "reload"},
    "yaml": {"load", "unsafe_load", "full_load"},
    "runpy": {"run_path", "run_module"},
}

ALLOWED = {
    # Only with `allow_pickle=True` at both ends of an authenticated link.
    ("wire/building.py", "pickle.loads"),
    # A module of this package, named in a table of the file itself or beside it.
    ("__init__.py", "importlib.import_module"),
    ("cli/app.py", "importlib.import_module"),
    ("streaming/backend.py", "importlib.import_module"),
    ("placement/launchers.py", "importlib.import_module"),
    # What the user typed at the command line.
    ("cli/actor_class.py", "importlib.import_module"),
    # In a process that was started by the node itself, for a class of that node.
    ("placement/origin.py", "importlib.import_module"),
    ("placement/origin.py", "runpy.run_module"),
    ("placement/origin.py", "runpy.run_path"),
}


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _imports(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in FORBIDDEN_MODULES)
        # Behind another name its uses would not be seen.
        yield from (f"{alias.name} as" for alias in node.names if alias.asname and alias.name in DANGEROUS_ATTRIBUTES)
    elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
        if node.module.partition(".")[0] in FORBIDDEN_MODULES:
            yield node.module
        dangerous = DANGEROUS_ATTRIBUTES.get(node.module, set())
        yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name in dangerous)


def _uses(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        yield from _imports(node)
        if isinstance(node, ast.Call) and _name(node.func) in FORBIDDEN_CALLS:
            yield _name(node.func)
        elif isinstance(node, ast.Attribute):
            module, _, attribute = _name(node).rpartition(".")
            if attribute in DANGEROUS_ATTRIBUTES.get(module, set()):
                yield f"{module}.{attribute}"


def _found(package: Path) -> set[tuple[str, str]]:
    return {
        (path.relative_to(package).as_posix(), use)
        for path in package.rglob("*.py")
        for use in _uses(ast.parse(path.read_text(encoding="utf-8")))
    }


def test_nothing_turns_bytes_or_names_into_code_but_in_known_places() -> None:
    assert _found(PACKAGE) <= ALLOWED


def test_each_known_place_is_still_there() -> None:
    known = {(place, use) for place, use in ALLOWED if (PACKAGE / place).exists()}
    assert known <= _found(PACKAGE)


def test_the_gate_sees_each_way_in(tmp_path: Path) -> None:
    program = """
import pickle as harmless
import pickle
from pickle import loads
from importlib import import_module
import cloudpickle
import importlib
pickle.loads(b""); pickle.Unpickler(None); importlib.import_module("x"); eval("1"); exec(""); __import__("x")
"""
    (tmp_path / "bad.py").write_text(program)
    uses = "pickle as|pickle.loads|pickle.Unpickler|importlib.import_module|cloudpickle|eval|exec|__import__"
    assert {use for _, use in _found(tmp_path)} == set(uses.split("|"))
