"""A model that needs no key, no network and no package: it says what the user said last."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from pulsing.agent.chat import Prompt, Reply, messages_of
from pulsing.agent.usage import USAGE

ECHO = "echo"


class EchoChat:
    """Repeats the user's last message, for examples and tests; the same methods as any other model."""

    async def ainvoke(self, prompt: Prompt, **request: Any) -> Reply:
        """The user's last message."""
        return self.invoke(prompt, **request)

    def invoke(self, prompt: Prompt, **request: Any) -> Reply:
        """The user's last message."""
        messages = messages_of(prompt)
        with USAGE.request(ECHO) as asked:
            return asked.answered(self._reply(messages))

    def _reply(self, messages: list[dict[str, Any]]) -> Reply:
        said = [str(message.get("content", "")) for message in messages if message.get("role") == "user"]
        text = said[-1] if said else ""
        heard = sum(len(str(message.get("content", "")).split()) for message in messages)
        return Reply(text, ECHO, "stop", prompt_tokens=heard, completion_tokens=len(text.split()))

    async def astream(self, prompt: Prompt, **request: Any) -> AsyncIterator[Reply]:
        """The user's last message, word by word."""
        for word in re.findall(r"\s*\S+|\s+$", self.invoke(prompt, **request).content):
            yield Reply(word, ECHO)

    def __repr__(self) -> str:
        return f"<llm {ECHO}>"
