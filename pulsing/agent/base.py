"""Classes of agents: actors with a card (role, goal, backstory, tags), and the names under which they were spawned.

The card is part of the actor, so every node that lists the actor shows it. The registry is of this process only: whom
it has spawned, under the name that the caller wrote, until that is cleared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pulsing.core import ActorClass
from pulsing.core.classes import register_class

T = TypeVar("T")

_spawned: dict[str, AgentMeta] = {}


@dataclass
class AgentMeta:
    """The card of an agent: what it says of itself."""

    role: str = ""
    goal: str = ""
    backstory: str = ""
    tags: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The four fields by name."""
        return {"role": self.role, "goal": self.goal, "backstory": self.backstory, "tags": dict(self.tags)}

    def __str__(self) -> str:
        return self.role or "Agent"


def agent(role: str = "", goal: str = "", backstory: str = "", **tags: Any) -> Callable[[type[T]], AgentClass[T]]:
    """Make a class whose actors are agents: as `@remote` does, with a card that all listings show.

    Args:
        role, goal, backstory: what the agent is, what it is to achieve, and what it has been through.
        tags: every other keyword, the names of actor options among them: give those options by `with_options`.

    Returns:
        A decorator.

    Raises:
        TypeError: used without parentheses, or on what is no class.
    """
    if not isinstance(role, str):
        raise TypeError(f"@agent needs parentheses: write @agent() above {getattr(role, '__name__', role)!r}")
    meta = AgentMeta(role, goal, backstory, tags)

    def decorate(cls: type[T]) -> AgentClass[T]:
        if not isinstance(cls, type):
            raise TypeError(f"@agent takes a class, not {cls!r}")
        cls._agent_meta_template = meta  # type: ignore[attr-defined]
        made = AgentClass(cls, meta)
        register_class(made)
        return made

    return decorate


def get_agent_meta(name: str) -> AgentMeta | None:
    """The card of the agent that was spawned by this process under a name, bare or as a full path."""
    return _spawned.get(name) or _spawned.get(str(name).removeprefix("actors/"))


def list_agents() -> dict[str, AgentMeta]:
    """The cards of all named agents that this process has spawned, by name; those that have ended included."""
    return dict(_spawned)


def clear_agent_registry() -> None:
    """Forget the names of the agents spawned so far."""
    _spawned.clear()


class AgentClass(ActorClass[T]):
    """An `ActorClass` whose actors carry a card.

    Args:
        cls: the user's class.
        meta: its card.
        options: those of `ActorClass`.
    """

    def __init__(self, cls: type[T], meta: AgentMeta, **options: Any) -> None:
        super().__init__(cls, **options)
        self.__agent_meta__ = meta
        self._set_card(_card(meta))

    def with_options(self, **options: Any) -> AgentClass[T]:
        """A copy with other defaults; rules of `ActorClass.with_options`. It is an agent with the same card."""
        plain = super().with_options(**options)
        derived = AgentClass(self._cls, self.__agent_meta__, **plain._options)
        derived._fixed = plain._fixed
        return derived

    def _note_spawn(self, name: str | None) -> None:
        """Enter the name in the registry of this process."""
        if name:
            _spawned[name] = self.__agent_meta__


def _card(meta: AgentMeta) -> dict[str, Any]:
    """The card as it travels: a tag may be any object, listings are JSON."""
    return {**meta.to_dict(), "tags": _plain(meta.tags)}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in value]
    return str(value)
