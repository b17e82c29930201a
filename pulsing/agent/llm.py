"""Which language model a call of `llm` means, and the models that each loop has open."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any
from urllib.parse import urlsplit

from pulsing.agent.chat import Chat
from pulsing.agent.echo import ECHO, EchoChat

DEFAULT_MODEL = "gpt-4o-mini"

# For each request. The client's own default of ten minutes holds up whoever waits for an actor; the longest answers of
# models without a stream take about a minute.
_TIMEOUT_S = 60.0
# After the first attempt; between them Retry-After, up to a minute, or at most 8 s.
_RETRIES = 2

_open: dict[asyncio.AbstractEventLoop, dict[str, Any]] = {}


async def llm(
    *,
    model: str | None = None,
    temperature: float | None = 0.7,
    new: bool = False,
    backend: str | None = None,
    **kw: Any,
) -> Chat:
    """A language model to talk to: `ainvoke`, `invoke` and `astream`, whose results have `.content` and `str()`.

    Calls with the same arguments on the same event loop give the same model.

    Args:
        model: its name; `LLM_MODEL` by default, else "gpt-4o-mini". "echo" repeats what it is told, and needs neither
            key nor package.
        temperature: of the sampling; None for the model's own.
        new: make another one; the one that later calls get stays as it is.
        backend: "openai" (extra `llm`) or "langchain" (extra `langchain`, gives a `ChatOpenAI`); by default
            `PULSING_LLM_BACKEND`, else "openai".
        kw: `api_key` and `base_url` (`OPENAI_API_KEY` and `OPENAI_BASE_URL` by default), `timeout` (60 seconds for one
            attempt), `max_retries` (2), and further options of the client or fields of each request.

    Raises:
        ImportError: the backend's package is not installed; says which extra brings it.
        ValueError: there is no API key, no such backend, or no such port as the base URL names.
    """
    name = model or os.environ.get("LLM_MODEL") or DEFAULT_MODEL
    chosen = backend or os.environ.get("PULSING_LLM_BACKEND") or "openai"
    if chosen not in _BACKENDS:
        raise ValueError(f"no LLM backend {chosen!r}: there are {' and '.join(map(repr, _BACKENDS))}")
    if name == ECHO:
        return EchoChat()
    options = _with_defaults(kw)
    if new:
        return await _BACKENDS[chosen](name, temperature, options)
    opened = _opened_here()
    key = json.dumps([chosen, name, temperature, options], sort_keys=True, default=repr)
    if key not in opened:
        opened[key] = await _BACKENDS[chosen](name, temperature, options)
    chat: Chat = opened[key]
    return chat


def reset_llm() -> None:
    """Forget the models that are open; each closes its connections once nobody uses it."""
    _open.clear()


def _with_defaults(given: dict[str, Any]) -> dict[str, Any]:
    """The options with what the environment and this module add, so that two that differ in effect differ here."""
    options = {"timeout": _TIMEOUT_S, "max_retries": _RETRIES, **given}
    for option, variable in (("api_key", "OPENAI_API_KEY"), ("base_url", "OPENAI_BASE_URL")):
        options[option] = options.get(option) or os.environ.get(variable)
    if not options["api_key"]:
        raise ValueError('no API key: set OPENAI_API_KEY, or pass api_key= (model="echo" needs none)')
    _check_port(str(options["base_url"] or ""))
    return {key: value for key, value in options.items() if key != "base_url" or value}


def _check_port(url: str) -> None:
    # Everything else that is wrong with it the client says when it connects; of this it says nothing that helps.
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"the base URL (OPENAI_BASE_URL) is none: {error}") from None


def _opened_here() -> dict[str, Any]:
    for loop in [loop for loop in _open if loop.is_closed()]:
        del _open[loop]
    return _open.setdefault(asyncio.get_running_loop(), {})


async def _open_openai(model: str, temperature: float | None, options: dict[str, Any]) -> Chat:
    try:
        from pulsing.agent.openai_chat import OpenAIChat
    except ModuleNotFoundError as error:
        raise _missing("openai", "llm") from error
    return await OpenAIChat.open(model, temperature, options)


async def _open_langchain(model: str, temperature: float | None, options: dict[str, Any]) -> Any:
    try:
        from langchain_openai import ChatOpenAI
    except ModuleNotFoundError as error:
        raise _missing("langchain-openai", "langchain") from error
    from pulsing.agent.langchain_usage import UsageCounter

    given = options.get("callbacks") or ()
    callbacks = [*getattr(given, "handlers", given), UsageCounter(model)]
    return ChatOpenAI(model=model, temperature=temperature, **{**options, "callbacks": callbacks})


def _missing(package: str, extra: str) -> ImportError:
    return ImportError(f"llm() needs the package {package}: pip install 'pulsing[{extra}]'")


_BACKENDS = {"openai": _open_openai, "langchain": _open_langchain}
