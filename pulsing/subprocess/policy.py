"""What other nodes may start here: listed programs alone, below one directory, with a few harmless variables.

Decides by the order and by what is on this node's disk; starts nothing.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from pulsing.config import SystemConfig
from pulsing.exceptions import Forbidden
from pulsing.settings import OPTIONS
from pulsing.subprocess.order import Order, Word

SETTING = "subprocess.allow_remote"
BASE_SETTING = "subprocess.base_path"
VARIABLES_SETTING = "subprocess.variables"
RESOURCES_SETTING = "subprocess.resources"

GIVEN = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR")
"""Variables of this node that every process gets: where things are, and no secrets."""


@dataclass(frozen=True)
class Policy:
    """The rules of one node."""

    programs: tuple[str, ...] = ()
    """names that are looked for in this node's PATH, or absolute paths"""
    base: Path = field(default_factory=Path.cwd)
    """the directory in which processes start, and above which they may not"""
    variables: tuple[str, ...] = ()
    """names that others may set, and that processes get from this node; * stands for any part of one"""
    secure: bool = True
    """whether links prove who is there"""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    resources: Mapping[str, float] = field(default_factory=dict)
    """what there is for programs beside what the machine has, or instead of it"""

    def approve(self, order: Order) -> Order:
        """The order as it is carried out here.

        Raises:
            Forbidden: it is against the rules.
            FileNotFoundError: the program is allowed, and is not here.
        """
        self.check_secure()
        if order.shell:
            raise Forbidden("shell=True from another node", "give the program and its arguments as a list")
        return replace(
            order,
            args=order.args if isinstance(order.args, list) else [order.args],
            executable=self._program(order.program),
            cwd=self._directory(order.cwd),
            env=self._variables(order.env),
        )

    def check_secure(self) -> None:
        """Refuse where links do not prove who is there.

        Raises:
            Forbidden: they do not.
        """
        if not self.secure:
            raise Forbidden("starting processes for other nodes", "this node runs without credentials (insecure)")

    def _program(self, program: Word) -> str:
        wanted = os.fsdecode(program)
        if wanted in self.programs:
            return self._find(wanted)
        if Path(wanted).is_absolute() and wanted in {self._which(name) for name in self.programs}:
            return wanted
        raise Forbidden(f"starting {wanted!r} for another node", f"set {SETTING} on that node to allow it")

    def _find(self, program: str) -> str:
        found = self._which(program)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
        return found

    def _which(self, program: str) -> str | None:
        return shutil.which(program, path=self.environment.get("PATH", os.defpath))

    def _directory(self, cwd: Word | None) -> str:
        base = self.base.resolve()
        wanted = (base / os.fsdecode(cwd or "")).resolve()
        if wanted != base and base not in wanted.parents:
            raise Forbidden(f"cwd={os.fsdecode(cwd or '')!r}", f"it is not below {BASE_SETTING} of that node")
        return str(wanted)

    def _variables(self, env: Mapping[Word, Word] | None) -> Mapping[Word, Word]:
        if env is None:
            return {name: value for name, value in self.environment.items() if name in GIVEN or self._may_set(name)}
        for name in map(os.fsdecode, env):
            if not self._may_set(name):
                raise Forbidden(f"setting {name} for a process", f"set {VARIABLES_SETTING} on that node to allow it")
        return env

    def _may_set(self, name: str) -> bool:
        return _matches(name, self.variables)


def policy_of(config: SystemConfig, *, secure: bool) -> Policy:
    """The rules that a node was started with."""
    options = {option.key: option.default for option in OPTIONS}
    chosen = options if config.settings is None else {key: one.value for key, one in config.settings.items()}
    amounts = (word.partition("=") for word in chosen[RESOURCES_SETTING])
    return Policy(
        config.allow_remote_subprocess,
        Path(chosen[BASE_SETTING] or Path.cwd()),
        chosen[VARIABLES_SETTING],
        secure,
        resources={name: float(amount) for name, _, amount in amounts},
    )


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
