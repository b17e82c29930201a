"""How an actor is run: what all actors that were made in one way have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pulsing.core.mailbox import MailboxOptions
from pulsing.core.methods import MethodTable
from pulsing.core.supervision import RestartPolicy


@dataclass(frozen=True, slots=True, eq=False)
class CellSpec:
    """The options and methods behind a class of actors."""

    class_name: str
    """`module.Class`"""
    kind: str
    """remote, receive, mounted, agent or system"""
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
    card: Mapping[str, Any] | None = None
    """what an agent says of itself: role, goal, backstory, tags"""
    injected: tuple[str, ...] = ()
    """which of `ref`, `system`, `delayed` are set on the instance"""

    @property
    def bare_name(self) -> str:
        return self.class_name.rpartition(".")[2]
