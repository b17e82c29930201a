"""A class of actors by its name, and the arguments of its constructor from words of the command line."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from pulsing.cli.arguments import parse_value
from pulsing.cli.errors import USAGE, CliError


def import_object(path: str) -> Any:
    """Import `module`, `module:object` or `module.object`.

    Raises:
        CliError: there is no such module or object.
    """
    # As with `python -m`: what is in the current directory can be imported.
    if "" not in sys.path:
        sys.path.insert(0, "")
    module, colon, attribute = path.partition(":")
    if "/" in module:
        raise CliError(f"{path!r} is no name of a module", hint=_file_hint(module), exit_code=USAGE)
    try:
        return getattr(importlib.import_module(module), attribute) if colon else _import_dotted(path)
    except (ImportError, AttributeError) as error:
        hint = _file_hint(module) if module.endswith(".py") else None
        raise CliError(f"cannot import {path!r}: {error}", hint=hint, exit_code=USAGE) from error


def _import_dotted(path: str) -> Any:
    module, _, attribute = path.rpartition(".")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        # Only when it is this path that is missing, not something that the module imports.
        if not module or not path.startswith(error.name or path):
            raise
        return getattr(importlib.import_module(module), attribute)


def _file_hint(file: str) -> str:
    return f"name the module, without .py, in the folder of its file: {Path(file).stem}"


def import_actor_class(path: str) -> Any:
    """Import a class whose instances can be actors.

    Raises:
        CliError: there is none by this name, or what is there is no class of actors.
    """
    cls = import_object(path)
    plain = inspect.unwrap(cls)
    if not inspect.isclass(plain):
        raise CliError(f"{path!r} is no class", hint="pulsing actor MODULE.CLASS", exit_code=USAGE)
    if not hasattr(cls, "spawn") and not hasattr(plain, "receive"):
        raise CliError(
            f"{plain.__name__} is no class of actors: it has no receive method",
            hint="decorate it with @pul.remote",
            exit_code=USAGE,
        )
    return cls


def constructor_arguments(cls: Any, words: list[str]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a constructor from words, `VALUE` or `key=value`, converted by its annotations.

    Raises:
        CliError: the constructor does not take them.
    """
    from pulsing.admin.signatures import parameters_of

    constructor = inspect.unwrap(cls)
    signature = inspect.signature(constructor)
    positional = [word for word in words if not _is_keyword(word, signature)]
    keywords = dict(word.split("=", 1) for word in words if _is_keyword(word, signature))
    try:
        bound = signature.bind(*positional, **keywords)
    except TypeError as error:
        raise CliError(f"{constructor.__name__}: {error}", exit_code=USAGE) from error
    hints = {parameter.name: parameter.annotation for parameter in parameters_of(constructor.__init__, 1) or ()}
    for name, value in bound.arguments.items():
        bound.arguments[name] = _converted(value, hints.get(name))
    return _checked(constructor, bound)


def _checked(constructor: Any, bound: inspect.BoundArguments) -> tuple[list[Any], dict[str, Any]]:
    """What fits the annotations, as a spawn by REST would be given it."""
    from pulsing.admin.problems import ProblemError
    from pulsing.admin.signatures import check_arguments

    try:
        return check_arguments(constructor.__init__, 1, bound.args, bound.kwargs)
    except ProblemError as problem:
        detail = f"{constructor.__name__}: {problem.detail}"
        raise CliError(detail, hint=problem.hint, exit_code=USAGE) from problem


def _is_keyword(word: str, signature: inspect.Signature) -> bool:
    key, found, _ = word.partition("=")
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())
    return bool(found) and (key in signature.parameters or (takes_any and key.isidentifier()))


def _converted(value: Any, hint: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_converted(one, hint) for one in value)
    if isinstance(value, dict):
        return {key: _converted(one, hint) for key, one in value.items()}
    return value if hint is str else parse_value(value)
