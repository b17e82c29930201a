"""How an actor is run: what all actors that were made in one way have in common."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pulsing.core.mailbox import MailboxOptions
from pulsing.core.methods import MethodTable
from pulsing.core.supervision import RestartPolicy
from pulsing.modules import module_of

_ACCESSORS = ("ref", "system", "delayed")
_INTERNAL_MODULES = (
    "pulsing.core",
    "pulsing.streaming",
    "pulsing.subprocess",
    "pulsing.node",
    "pulsing.admin",
    "pulsing.placement",
)


@dataclass(frozen=True, slots=True, eq=False)
class CellSpec:
    """The options and methods behind a class of actors."""

    class_name: str
    """`module.Class`"""
    kind: str
    """remote, receive, mounted, agent, process or system"""
    table: MethodTable | None
    """callable methods; None for a `receive` actor"""
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    mailbox: MailboxOptions = field(default_factory=MailboxOptions)
    max_concurrency: int = 1000
    threaded: bool = False
    cancellable: bool = False
    internal: bool = False
    """one of Pulsing's own actors, hidden from listings unless asked for"""
    file: str = ""
    """source file of the class, where it is known"""
    module: str = ""
    """module of the class, where it is known: what stands before the last dot is not, for a class within another"""
    card: Mapping[str, Any] | None = None
    """what an agent says of itself: role, goal, backstory, tags"""
    injected: tuple[str, ...] = ()
    """which of `ref`, `system`, `delayed` are set on the instance"""

    @property
    def bare_name(self) -> str:
        """The name of the class without its module."""
        return self.class_name.rpartition(".")[2]

    @property
    def home(self) -> tuple[str, str]:
        """The module of the class, and its name there."""
        if self.module:
            return self.module, self.class_name.removeprefix(f"{self.module}.")
        module, _, name = self.class_name.rpartition(".")
        return module, name


def is_internal(cls: type) -> bool:
    """Whether actors of a class are Pulsing's own."""
    return cls.__module__.startswith(_INTERNAL_MODULES)


def is_internal_class(name: str) -> bool:
    """The same of a class by its full name, wherever it is."""
    return name.startswith(_INTERNAL_MODULES)


def full_name(cls: type) -> str:
    """The name under which a class is listed and found."""
    return f"{module_of(cls)}.{cls.__qualname__}"


def source_file(cls: type) -> str:
    """The file that defines the module of a class, empty where there is none."""
    module = sys.modules.get(cls.__module__)
    return getattr(module, "__file__", None) or ""


def missing_accessors(cls: type) -> tuple[str, ...]:
    """What to set on instances of a class: names that the class itself has are its own."""
    return tuple(name for name in _ACCESSORS if not hasattr(cls, name))
