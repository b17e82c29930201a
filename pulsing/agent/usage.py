"""What this process has asked of language models, and the tokens that took: plain counts, which the metrics show."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pulsing.agent.chat import Reply

MAX_MODELS = 50
OTHER = "_other"
"""Stands for all models beyond that number, so that no total is lost."""

Outcome = Literal["ok", "error", "cancelled"]


class Usage:
    """Requests and tokens by model. May be counted from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: set[str] = set()
        self._requests: dict[tuple[str, ...], int] = {}
        self._tokens: dict[tuple[str, ...], int] = {}

    @contextmanager
    def request(self, model: str) -> Iterator[Request]:
        """Count one request, by how the block ends. A request that its client has repeated is one."""
        request = Request()
        outcome: Outcome = "cancelled"
        try:
            yield request
            outcome = "ok"
        except Exception:
            outcome = "error"
            raise
        finally:
            self.count(model, outcome, request.prompt_tokens, request.completion_tokens)

    def count(self, model: str, outcome: Outcome, prompt_tokens: int = 0, completion_tokens: int = 0) -> None:
        """Count one request that is over."""
        with self._lock:
            name = self._name(model)
            self._requests[name, outcome] = self._requests.get((name, outcome), 0) + 1
            for kind, tokens in (("prompt", prompt_tokens), ("completion", completion_tokens)):
                self._tokens[name, kind] = self._tokens.get((name, kind), 0) + tokens

    def requests(self) -> dict[tuple[str, ...], int]:
        """Requests so far, by model and outcome; one that nobody waited for to its end is "cancelled"."""
        with self._lock:
            return dict(self._requests)

    def tokens(self) -> dict[tuple[str, ...], int]:
        """Tokens so far that endpoints have reported, by model and kind: "prompt" or "completion"."""
        with self._lock:
            return dict(self._tokens)

    def _name(self, model: str) -> str:
        if model not in self._models and len(self._models) >= MAX_MODELS:
            return OTHER
        self._models.add(model)
        return model


class Request:
    """The tokens of one request, as far as they are known."""

    def __init__(self) -> None:
        self.prompt_tokens = 0
        self.completion_tokens = 0

    def answered(self, reply: Reply) -> Reply:
        """Take the tokens from a reply, and give it back."""
        self.prompt_tokens, self.completion_tokens = reply.prompt_tokens, reply.completion_tokens
        return reply


USAGE = Usage()
"""Of this process."""
