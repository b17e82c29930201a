"""Counts what LangChain's clients ask of models, as our own client does."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult

from pulsing.agent.usage import USAGE


class UsageCounter(BaseCallbackHandler):  # type: ignore[misc]
    """Takes the tokens of each request from its result.

    Args:
        model: under whose name they are counted.
    """

    # Counting takes no time that a thread would be worth.
    run_inline = True

    def __init__(self, model: str) -> None:
        self._model = model

    def on_llm_end(self, response: LLMResult, **run: Any) -> None:
        """Count a request that was answered."""
        messages = [getattr(one, "message", None) for generations in response.generations for one in generations[:1]]
        used = [getattr(message, "usage_metadata", None) or {} for message in messages]
        prompt, completion = (sum(one.get(f"{way}_tokens", 0) for one in used) for way in ("input", "output"))
        USAGE.count(self._model, "ok", prompt, completion)

    def on_llm_error(self, error: BaseException, **run: Any) -> None:
        """Count a request that failed."""
        USAGE.count(self._model, "error" if isinstance(error, Exception) else "cancelled")
