"""Arguments of `subprocess.Popen` that mean something on the caller's own machine alone."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

UNSET = -100
"""Stands for a stream of which nothing was said."""


def file_number(given: Any) -> int:
    """The number of a file, or one of the constants.

    Raises:
        ValueError: it has no number.
    """
    if given is None:
        return UNSET
    if isinstance(given, int):
        return given
    try:
        return int(given.fileno())
    except (AttributeError, io.UnsupportedOperation) as error:
        raise ValueError(f"a process on another node takes no {type(given).__name__} without a fileno") from error


def end_in_one(stdout: int, stderr: int) -> bool:
    """Whether both outputs go into one file of the caller, in which their order counts.

    Args:
        stdout, stderr: as of `file_number`.
    """
    numbers = [usual if given == UNSET else given for given, usual in ((stdout, 1), (stderr, 2))]
    try:
        return min(numbers) >= 0 and os.path.sameopenfile(*numbers)
    except OSError:
        return False  # a program may run without stdout or stderr


def own_copy(fd: int) -> int:
    """Another number for a file of the caller, which then may close its own."""
    try:
        return os.dup(fd)
    except OSError:
        # A program may run without stdout or stderr, and so may what it starts.
        return os.open(os.devnull, os.O_WRONLY)


_USUAL = {
    "preexec_fn": None,
    "restore_signals": True,
    "pass_fds": (),
    "process_group": None,
    "startupinfo": None,
    "creationflags": 0,
    "user": None,
    "group": None,
    "extra_groups": None,
}


def refuse(arguments: Mapping[str, Any]) -> None:
    """Refuse arguments of `subprocess.Popen` that mean nothing on another node.

    Raises:
        TypeError: there is no such argument.
        ValueError: it has another value than the usual one.
    """
    for name, value in arguments.items():
        if name not in _USUAL:
            raise TypeError(f"Popen() got an unexpected keyword argument {name!r}")
        usual = _USUAL[name]
        if value != usual and not (name in ("pass_fds", "process_group") and value in ((), [], -1)):
            raise ValueError(f"{name} is not for processes on other nodes")
