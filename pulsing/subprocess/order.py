"""What is to be started on a node, as plain values that travel to it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pulsing.subprocess.ledger import check_needs

Word = str | bytes

_STREAMS = {
    "stdin": (subprocess.PIPE, subprocess.DEVNULL),
    "stdout": (subprocess.PIPE, subprocess.DEVNULL),
    "stderr": (subprocess.PIPE, subprocess.DEVNULL, subprocess.STDOUT),
}


_OF_THE_HOST = ("args", "needs", "name", "detach")
"""What is no keyword of the actor."""


@dataclass(frozen=True)
class Order:
    """One process that is wanted; fields as of `subprocess.Popen`, streams without files."""

    args: Word | list[Word]
    stdin: int = subprocess.DEVNULL
    stdout: int = subprocess.DEVNULL
    stderr: int = subprocess.DEVNULL
    executable: Word | None = None
    cwd: Word | None = None
    env: Mapping[Word, Word] | None = None
    """None for what the node gives to processes"""
    shell: bool = False
    umask: int = -1
    needs: Mapping[str, float] | None = None
    name: str | None = None
    """of the actor"""
    detach: bool = False
    """whether it goes on without the one who has started it"""

    def __post_init__(self) -> None:
        words = self.args if isinstance(self.args, list) else [self.args]
        given = [*words, *(self.env or {}), *(self.env or {}).values(), self.executable or "", self.cwd or ""]
        if not all(isinstance(word, (str, bytes)) for word in given):
            raise TypeError("arguments, paths and variables of a process are str or bytes")
        if not words or not words[0]:
            raise ValueError("there is no program to run")
        for name, allowed in _STREAMS.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} of a process elsewhere is PIPE or DEVNULL")
        if type(self.umask) is not int or type(self.shell) is not bool or type(self.detach) is not bool:
            raise TypeError("umask is an int, shell and detach are bools")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Order:
        """Read what `to_values` made.

        Raises:
            TypeError, ValueError: it is no order.
        """
        return cls(**{**values, "needs": check_needs(values.get("needs") or {})})

    def to_values(self) -> dict[str, Any]:
        """Everything that is not as usual."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) != f.default}

    @property
    def program(self) -> Word:
        """What is executed, as it was written."""
        if self.shell:
            return self.executable or "/bin/sh"
        first = self.args[0] if isinstance(self.args, list) else self.args
        return self.executable or first

    def options(self) -> dict[str, Any]:
        """Keywords for the actor of the process."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _OF_THE_HOST}
