"""What nobody typed needs no conversion: it is as the command's function declares it.

The library converts it all the same, and for that loads what checks types, longer than most commands take to run. Its
versions before 0.29 load nothing, and convert in two steps of which the first may not be left out.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import typer

_PLAIN = (str, int, float, Enum)


def leave_defaults(command: Any) -> Any:
    """Let a command, and those in it, convert only what was typed.

    Returns:
        the command that was given.
    """
    # Not `command.params`: of those the library hides the one for help, made when it is asked for first.
    for parameter in command.get_params(typer.Context(command)):
        if not parameter.required and hasattr(parameter, "type_descriptor"):
            _leave_default(parameter)
    for inner in getattr(command, "commands", {}).values():
        leave_defaults(inner)
    return command


def _leave_default(parameter: Any) -> None:
    convert = parameter.process_value
    nothing = () if parameter.nargs == -1 or getattr(parameter, "multiple", False) else None

    def process_value(context: Any, value: Any) -> Any:
        if value is not None and not (value is parameter.default and isinstance(value, _PLAIN)):
            return convert(context, value)
        value = nothing if value is None else value
        return value if parameter.callback is None else parameter.callback(context, parameter, value)

    parameter.process_value = process_value
