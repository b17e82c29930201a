"""The page of the documentation that lists every command, made from the commands themselves.

`python -m pulsing.cli.reference` prints it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

NoneType = type(None)

_CONNECTION = ("endpoint", "token_file", "timeout")

_INTRODUCTION = """\
# Commands

Made from the commands themselves; `pulsing COMMAND --help` shows the same at the desk.
[Use the command line](../how-to/command-line.md) tells how to begin, and what the exit codes mean. Commands that ask a
node have `--endpoint`, `--token-file` and `--timeout` beside their own options.
"""


def as_page() -> str:
    """The page, in Markdown."""
    import typer

    from pulsing.cli.app import app

    return "\n".join([_INTRODUCTION, *_group(typer.main.get_command(app), "pulsing")]).rstrip("\n") + "\n"


def _group(group: Any, name: str) -> Iterator[str]:
    for command in [getattr(group, "made", group.commands.get)(one) for one in group.commands]:
        full = f"{name} {command.name}"
        if hasattr(command, "commands"):
            yield from (f"## `{full}`", "", _sentence(command.help), "", *_examples(command), *_group(command, full))
        else:
            yield from _command(command, full, "##" if name == "pulsing" else "###")


def _command(command: Any, full: str, level: str) -> Iterator[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    words = "".join(f" {_argument(one)}" for one in arguments)
    yield from (f"{level} `{full}{words}`", "", _sentence(command.help), "")
    kinds = _kinds(command.callback)
    rows = [(_argument(one), one.help, kinds[one.name]) for one in arguments]
    rows += [(_option(one), one.help, "" if one.is_flag else kinds[one.name]) for one in _own_options(command)]
    if rows:
        yield from ("| | value | |", "|---|---|---|")
        yield from (f"| `{_cell(name)}` | {_cell(kind)} | {_cell(text or '')} |" for name, text, kind in rows)
        yield ""
    yield from _examples(command)


def _own_options(command: Any) -> list[Any]:
    return [one for one in command.params if one.param_type_name == "option" and one.name not in _CONNECTION]


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return str(name) if argument.required or name.startswith("[") else f"[{name}]"


def _option(option: Any) -> str:
    # The value of an enumeration is what is typed.
    default = getattr(option.default, "value", option.default)
    shown = "" if option.is_flag or default is None else f" = {default}"
    return ", ".join([*option.opts, *option.secondary_opts]) + shown


def _kinds(callback: Any) -> dict[str, str]:
    """What each parameter of a command takes, in words."""
    parameters = inspect.signature(callback, eval_str=True).parameters.values()
    return {parameter.name: _kind(parameter.annotation) for parameter in parameters}


def _kind(annotation: Any) -> str:
    inner = [one for one in get_args(annotation) if get_args(one) or (isinstance(one, type) and one is not NoneType)]
    if inner:
        return _kind(inner[0])
    if issubclass(annotation, Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    return {int: "whole number", float: "number", Path: "path"}.get(annotation, "text")


def _examples(command: Any) -> Iterator[str]:
    if command.epilog:
        yield from ("```console", *command.epilog.split("\n\n"), "```", "")


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return _sentence(text).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(as_page())
