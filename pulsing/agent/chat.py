"""What is said to a language model, and what it says back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from pulsing.wire.registry import default_registry

Prompt: TypeAlias = str | Sequence[str | tuple[str, str] | Mapping[str, Any]]
"""One text, or a conversation of texts (the user's), (role, text) pairs and message dicts."""

# The names that LangChain's users write, and those of the protocol.
_ROLES = {"human": "user", "ai": "assistant"}


@default_registry.register
@dataclass(frozen=True)
class Reply:
    """What a model said, or a piece of it. `str()` is the text; it may travel between nodes."""

    content: str
    model: str = ""
    finish_reason: str | None = None
    """"stop", "length" when the limit of tokens cut it, or what else the model says; None for a piece"""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __str__(self) -> str:
        return self.content


class Chat(Protocol):
    """A model that one can talk to."""

    async def ainvoke(self, prompt: Prompt, **request: Any) -> Reply:
        """The model's reply; `request` holds further fields for this one request."""
        ...

    def invoke(self, prompt: Prompt, **request: Any) -> Reply:
        """The same for code without a loop; it blocks the thread."""
        ...

    def astream(self, prompt: Prompt, **request: Any) -> AsyncIterator[Reply]:
        """The reply in pieces, as the model makes them."""
        ...


def messages_of(prompt: Prompt) -> list[dict[str, Any]]:
    """The conversation as message dicts.

    Raises:
        TypeError: something in it is no message.
        ValueError: there is nothing in it.
    """
    parts = [prompt] if isinstance(prompt, (str, Mapping)) else list(prompt)
    if not parts:
        raise ValueError("nothing to say: the prompt has no messages")
    return [_message(part) for part in parts]


def _message(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"role": "user", "content": part}
    if isinstance(part, Mapping):
        return dict(part)
    if isinstance(part, Reply):
        return {"role": "assistant", "content": part.content}
    if isinstance(part, (tuple, list)) and len(part) == 2:
        role, text = part
        return {"role": _ROLES.get(role, role), "content": str(text)}
    raise TypeError(f"a message is a text, a (role, text) pair or a dict, not {part!r}")
