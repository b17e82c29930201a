"""A model behind an endpoint that speaks OpenAI's chat protocol, by OpenAI's own client.

The client's errors reach the caller as they are (`openai.APIError` and its kinds); what the client does not notice, a
stream that ends too early or holds no JSON, becomes one of them.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import openai
from openai._legacy_response import LegacyAPIResponse
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import Choice

from pulsing.agent.chat import Prompt, Reply, messages_of
from pulsing.agent.usage import USAGE

# What configures the client; every other argument is a field of the requests.
_CLIENT_OPTIONS = frozenset(
    {"api_key", "base_url", "timeout", "max_retries", "organization", "project", "default_headers", "default_query"}
)


class OpenAIChat:
    """One model, with connections that are kept while somebody holds this object, on the loop that opened it.

    Args:
        model: its name.
        temperature: None for the model's own.
        options: arguments of OpenAI's client (`api_key`, `base_url`, `timeout` in seconds, `max_retries`, …), and
            fields of every request (`max_tokens`, `top_p`, …).
    """

    def __init__(self, model: str, temperature: float | None, options: Mapping[str, Any]) -> None:
        self._model = model
        self._connecting = {key: options[key] for key in options if key in _CLIENT_OPTIONS}
        self._asking = {key: options[key] for key in options if key not in _CLIENT_OPTIONS}
        if temperature is not None:
            self._asking["temperature"] = temperature
        self._client = openai.AsyncOpenAI(**self._connecting)
        self._guard = _closing(self._client)

    @staticmethod
    async def open(model: str, temperature: float | None, options: Mapping[str, Any]) -> OpenAIChat:
        """A model for the running loop."""
        chat = OpenAIChat(model, temperature, options)
        await anext(chat._guard)
        return chat

    async def ainvoke(self, prompt: Prompt, **request: Any) -> Reply:
        """The model's reply.

        Args:
            prompt: a text or a conversation.
            request: fields for this request alone.

        Raises:
            openai.APIError: the endpoint cannot be reached, refuses, or does not answer as it should.
            TypeError, ValueError: the prompt is no conversation.
        """
        fields = self._fields(prompt, request)
        with USAGE.request(self._model) as asked, _explained():
            return asked.answered(_reply(await self._client.chat.completions.with_raw_response.create(**fields)))

    def invoke(self, prompt: Prompt, **request: Any) -> Reply:
        """The same as `ainvoke` for code without a loop: it blocks the thread, and with it a loop that runs there."""
        fields = self._fields(prompt, request)
        with USAGE.request(self._model) as asked, _explained():
            return asked.answered(_reply(self._blocking_client.chat.completions.with_raw_response.create(**fields)))

    async def astream(self, prompt: Prompt, **request: Any) -> AsyncIterator[Reply]:
        """The reply in pieces, as the model makes them.

        The endpoint is asked to report the tokens at the end; `stream_options=None` leaves that out, for endpoints that
        do not know the field.

        Raises:
            openai.APIError: as for `ainvoke`, and when the stream ends before the model has; the pieces so far stand.
            TypeError, ValueError: the prompt is no conversation.
        """
        fields = {"stream_options": {"include_usage": True}, **self._fields(prompt, request)}
        if fields["stream_options"] is None:
            del fields["stream_options"]
        with USAGE.request(self._model) as asked:
            with _explained():
                opened = await self._client.chat.completions.create(stream=True, **fields)
            async with opened as stream:
                finished = False
                async for choice, usage in _pieces(stream):
                    if usage is not None:
                        asked.prompt_tokens, asked.completion_tokens = usage.prompt_tokens, usage.completion_tokens
                    if choice is None:
                        continue
                    finished = finished or choice.finish_reason is not None
                    if choice.delta.content:
                        yield Reply(choice.delta.content, self._model)
                if not finished:
                    raise openai.APIConnectionError(
                        message=f"the stream of {self._model} ended before its reply was complete",
                        request=stream.response.request,
                    )

    def __repr__(self) -> str:
        return f"<llm {self._model}>"

    @cached_property
    def _blocking_client(self) -> openai.OpenAI:
        client = openai.OpenAI(**self._connecting)
        weakref.finalize(self, client.close)
        return client

    def _fields(self, prompt: Prompt, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"model": self._model, **self._asking, **request, "messages": messages_of(prompt)}


async def _closing(client: openai.AsyncOpenAI) -> AsyncGenerator[None, None]:
    """Close the client when this generator is forgotten, or when its loop ends: both make the loop close it."""
    try:
        yield
    finally:
        await client.close()


@contextmanager
def _explained() -> Iterator[None]:
    """Say what to look at, where the client's own error says "Connection error." or shows the page of a web server."""
    try:
        yield
    except openai.APITimeoutError:
        raise
    except openai.APIConnectionError as error:
        url, reason = error.request.url, error.__cause__ or error
        message = (
            f"cannot reach {url.scheme}://{url.netloc.decode()} ({reason}): is the base URL (OPENAI_BASE_URL) right?"
        )
        raise openai.APIConnectionError(message=message, request=error.request) from reason
    except openai.NotFoundError as error:
        message = f"{error.message}; is the base URL (OPENAI_BASE_URL) right, and does its endpoint have that model?"
        raise openai.NotFoundError(message, response=error.response, body=error.body) from error


def _reply(raw: LegacyAPIResponse[ChatCompletion]) -> Reply:
    try:
        completion = raw.parse()
        choice, usage = completion.choices[0], completion.usage
        return Reply(
            choice.message.content or "",
            completion.model,
            choice.finish_reason,
            usage.prompt_tokens if usage else 0,
            usage.completion_tokens if usage else 0,
        )
    # The client does not check what it is sent: a page of a web server comes as a str, a missing field as None.
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise openai.APIResponseValidationError(
            raw.http_response,
            body=None,
            message="the answer is no chat completion: is the base URL (OPENAI_BASE_URL) that of a model's endpoint?",
        ) from error


async def _pieces(
    stream: openai.AsyncStream[ChatCompletionChunk],
) -> AsyncIterator[tuple[Choice | None, CompletionUsage | None]]:
    try:
        async for chunk in stream:
            # The last chunk may hold nothing but the use of tokens.
            yield (chunk.choices[0] if chunk.choices else None), chunk.usage
    except (ValueError, AttributeError, TypeError) as error:
        raise openai.APIResponseValidationError(
            stream.response, body=None, message="a piece of the stream is no chunk of a chat completion"
        ) from error
