"""A model is reached by OpenAI's protocol, within bounds, and every way to fail has an error that says so."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from pulsing.agent import agent, cleanup, llm, reset_llm
from pulsing.agent.chat import Reply
from pulsing.agent.usage import MAX_MODELS, OTHER, USAGE, Usage
from pulsing.testing import FakeAnswer, FakeLLM, cluster, wait_until

openai = pytest.importorskip("openai")


@pytest.fixture
def fake() -> Iterator[FakeLLM]:
    with FakeLLM() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "LLM_MODEL"):
        monkeypatch.delenv(name, raising=False)
    yield
    cleanup()


def on_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on a loop whose leaks are looked at when it has ended: the client leaves the loop a worker thread."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def chat_with(fake: FakeLLM, **kw: Any) -> Any:
    return await llm(base_url=fake.base_url, api_key=fake.api_key, **kw)


@on_a_loop
async def test_a_reply_has_content_and_reads_as_it(fake: FakeLLM) -> None:
    chat = await chat_with(fake)
    reply = await chat.ainvoke("Say hello")

    assert (reply.content, str(reply), reply.model, reply.finish_reason) == ("Say hello",) * 2 + ("gpt-4o-mini", "stop")
    assert (reply.prompt_tokens, reply.completion_tokens) == (3, 5)


@on_a_loop
async def test_the_request_has_model_temperature_and_whatever_else_was_given(fake: FakeLLM) -> None:
    chat = await chat_with(fake, model="m", temperature=0.2, max_tokens=7, default_headers={"x-team": "blue"})
    await chat.ainvoke("Hi", top_p=0.5)
    [request] = fake.requests

    assert request.body == {
        "model": "m",
        "temperature": 0.2,
        "max_tokens": 7,
        "top_p": 0.5,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    assert request.headers["authorization"] == f"Bearer {fake.api_key}"
    assert request.headers["x-team"] == "blue"


@on_a_loop
async def test_no_temperature_leaves_it_to_the_model(fake: FakeLLM) -> None:
    await (await chat_with(fake, temperature=None)).ainvoke("Hi")

    assert "temperature" not in fake.requests[0].body


@on_a_loop
async def test_a_conversation_may_be_pairs_dicts_texts_and_replies(fake: FakeLLM) -> None:
    chat = await chat_with(fake)
    await chat.ainvoke(
        [
            ("system", "Be kind"),
            ("human", "Hi"),
            Reply("Hello"),
            {"role": "user", "content": "How?"},
            ("ai", "So"),
            "Ah",
        ]
    )

    assert [(one["role"], one["content"]) for one in fake.requests[0].body["messages"]] == [
        ("system", "Be kind"),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "How?"),
        ("assistant", "So"),
        ("user", "Ah"),
    ]


@pytest.mark.parametrize(("prompt", "error"), [([], ValueError), ([3], TypeError), ([("a", "b", "c")], TypeError)])
@on_a_loop
async def test_what_is_no_conversation_is_refused_before_anything_is_sent(
    fake: FakeLLM, prompt: Any, error: type[Exception]
) -> None:
    chat = await chat_with(fake)
    with pytest.raises(error):
        await chat.ainvoke(prompt)

    assert fake.requests == []


@on_a_loop
async def test_a_stream_comes_in_pieces(fake: FakeLLM) -> None:
    chat = await chat_with(fake)
    pieces = [str(piece) async for piece in chat.astream("one two  three\n")]

    assert pieces == ["one", " two", "  three", "\n"]
    assert fake.requests[0].body["stream"] is True


@on_a_loop
async def test_a_stream_may_be_left_early(fake: FakeLLM) -> None:
    chat = await chat_with(fake)
    stream = chat.astream("one two three")
    assert (await anext(stream)).content == "one"
    await stream.aclose()

    assert (await chat.ainvoke("still there")).content == "still there"


def test_code_without_a_loop_may_ask_too(fake: FakeLLM) -> None:
    chat = asyncio.run(chat_with(fake))

    assert chat.invoke("Hi").content == "Hi"


def test_code_without_a_loop_leaves_no_connection(fake: FakeLLM) -> None:
    chat = asyncio.run(chat_with(fake, new=True))
    chat.invoke("Hi")
    assert fake.connections == 1
    del chat

    asyncio.run(wait_until(lambda: fake.connections == 0))


@on_a_loop
async def test_threads_may_ask_too(fake: FakeLLM) -> None:
    chat = await chat_with(fake)

    assert str(await asyncio.to_thread(chat.invoke, "Hi")) == "Hi"


@on_a_loop
async def test_a_limit_of_rate_is_waited_out_as_the_endpoint_says() -> None:
    with FakeLLM(FakeAnswer(status=429, headers={"retry-after": "0.01"}), "at last") as fake:
        reply = await (await chat_with(fake)).ainvoke("Hi")

        assert reply.content == "at last"
        assert [one.headers["x-stainless-retry-count"] for one in fake.requests] == ["0", "1"]


@on_a_loop
async def test_an_endpoint_that_is_down_for_a_moment_is_asked_again() -> None:
    with FakeLLM(FakeAnswer(status=503, headers={"retry-after": "0.01"}), "at last") as fake:
        assert str(await (await chat_with(fake)).ainvoke("Hi")) == "at last"


@on_a_loop
async def test_an_endpoint_that_stays_down_is_asked_three_times() -> None:
    down = FakeAnswer("come back tomorrow", status=503, headers={"retry-after": "0.01"})
    with FakeLLM(*[down] * 9) as fake:
        with pytest.raises(openai.InternalServerError, match="come back tomorrow"):
            await (await chat_with(fake)).ainvoke("Hi")

        assert len(fake.requests) == 3


@on_a_loop
async def test_a_refused_key_is_not_tried_again() -> None:
    with FakeLLM(FakeAnswer("wrong key", status=401)) as fake:
        with pytest.raises(openai.AuthenticationError, match="wrong key"):
            await (await chat_with(fake)).ainvoke("Hi")

        assert len(fake.requests) == 1


@pytest.mark.parametrize("ends", ["cut", "early"])
@on_a_loop
async def test_a_stream_that_ends_before_the_model_is_an_error_after_what_has_come(ends: Any) -> None:
    with FakeLLM(FakeAnswer("one two", ends=ends)) as fake:
        stream = (await chat_with(fake)).astream("Hi")
        assert [str(await anext(stream)), str(await anext(stream))] == ["one", " two"]
        with pytest.raises(openai.APIConnectionError):
            await anext(stream)


@on_a_loop
async def test_a_piece_that_is_no_json_is_an_error() -> None:
    with FakeLLM(FakeAnswer("one", ends="garbled")) as fake:
        stream = (await chat_with(fake)).astream("Hi")
        assert str(await anext(stream)) == "one"
        with pytest.raises(openai.APIResponseValidationError, match="no chunk of a chat completion"):
            await anext(stream)


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
@on_a_loop
async def test_an_answer_that_is_no_completion_points_at_the_url(kind: str) -> None:
    with FakeLLM(FakeAnswer(headers={"content-type": kind}, ends="garbled")) as fake:
        chat = await chat_with(fake)
        with pytest.raises(openai.APIResponseValidationError, match=r"no chat completion.*OPENAI_BASE_URL"):
            await chat.ainvoke("Hi")


@on_a_loop
async def test_a_path_that_the_endpoint_does_not_have_is_not_found(fake: FakeLLM) -> None:
    chat = await llm(base_url=f"{fake.base_url}/elsewhere", api_key="k")
    with pytest.raises(openai.NotFoundError, match="OPENAI_BASE_URL"):
        await chat.ainvoke("Hi")


@on_a_loop
async def test_an_endpoint_that_nobody_serves_is_a_connection_error(free_port: int) -> None:
    chat = await llm(base_url=f"http://user:secret@127.0.0.1:{free_port}/v1", api_key="k", max_retries=0)
    told = rf"cannot reach http://127.0.0.1:{free_port} \(.+\): is the base URL \(OPENAI_BASE_URL\) right\?"
    with pytest.raises(openai.APIConnectionError, match=told):
        await chat.ainvoke("Hi")
    with pytest.raises(openai.APIConnectionError, match=told):
        chat.invoke("Hi")
    with pytest.raises(openai.APIConnectionError, match=told):
        await anext(chat.astream("Hi"))


@on_a_loop
async def test_a_url_with_a_port_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match=r"base URL \(OPENAI_BASE_URL\).*0-65535"):
        await llm(base_url="http://127.0.0.1:99999/v1", api_key="k")


@on_a_loop
async def test_an_endpoint_that_does_not_answer_is_a_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        chat = await llm(base_url=url, api_key="k", timeout=0.05, max_retries=0)
        with pytest.raises(openai.APITimeoutError):
            await chat.ainvoke("Hi")


@on_a_loop
async def test_without_a_key_there_is_no_model() -> None:
    with pytest.raises(ValueError, match="set OPENAI_API_KEY"):
        await llm()


@on_a_loop
async def test_key_url_and_model_come_from_the_environment(fake: FakeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", fake.base_url)
    monkeypatch.setenv("LLM_MODEL", "model-of-the-environment")
    reply = await (await llm()).ainvoke("Hi")

    assert str(reply) == "Hi" and reply.model == "model-of-the-environment"
    assert fake.requests[0].headers["authorization"] == "Bearer sk-of-the-environment"


ARGUMENTS: dict[str, Any] = {"api_key": "k", "model": "m", "default_headers": {"a": "1"}}


@on_a_loop
async def test_the_same_arguments_give_the_same_client() -> None:
    assert await llm(**ARGUMENTS) is await llm(**ARGUMENTS)


@pytest.mark.parametrize(
    "change",
    [{"model": "n"}, {"temperature": 0.1}, {"api_key": "l"}, {"base_url": "http://127.0.0.1:1"}, {"new": True}],
    ids=str,
)
@on_a_loop
async def test_other_arguments_give_another_client_and_leave_the_first(change: dict[str, Any]) -> None:
    one = await llm(**ARGUMENTS)

    assert await llm(**{**ARGUMENTS, **change}) is not one
    assert await llm(**ARGUMENTS) is one


@on_a_loop
async def test_a_change_of_the_environment_gives_another_client(monkeypatch: pytest.MonkeyPatch) -> None:
    one = await llm(api_key="k")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")

    assert await llm(api_key="k") is not one


@on_a_loop
async def test_a_reset_forgets() -> None:
    one = await llm(api_key="k")
    reset_llm()

    assert await llm(api_key="k") is not one


@on_a_loop
async def test_a_client_that_was_forgotten_still_serves_who_holds_it(fake: FakeLLM) -> None:
    chat = await chat_with(fake)
    await chat.ainvoke("one")
    reset_llm()

    assert str(await chat.ainvoke("two")) == "two"


@on_a_loop
async def test_a_client_that_nobody_holds_closes_its_connections(fake: FakeLLM) -> None:
    chat = await chat_with(fake, new=True)
    await chat.ainvoke("one")
    assert fake.connections == 1
    del chat

    await wait_until(lambda: fake.connections == 0)


def test_the_end_of_a_loop_closes_the_connections_of_its_clients(fake: FakeLLM) -> None:
    async def ask() -> Any:
        chat = await chat_with(fake)
        await chat.ainvoke("Hi")
        return chat

    chat = asyncio.run(ask())

    asyncio.run(wait_until(lambda: fake.connections == 0))
    assert repr(chat) == "<llm gpt-4o-mini>"


def test_each_loop_has_clients_of_its_own(fake: FakeLLM) -> None:
    async def ask() -> Any:
        chat = await chat_with(fake)
        assert str(await chat.ainvoke("Hi")) == "Hi"
        return chat

    assert asyncio.run(ask()) is not asyncio.run(ask())


@on_a_loop
async def test_the_key_shows_neither_in_reprs_nor_in_logs(fake: FakeLLM, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    chat = await chat_with(fake)
    await chat.ainvoke("Hi")
    with pytest.raises(openai.APIError) as caught:
        await (await llm(base_url="http://127.0.0.1:1", api_key=fake.api_key, max_retries=0)).ainvoke("Hi")

    assert fake.api_key not in repr(chat) + str(chat) + repr(caught.value) + str(caught.value)
    assert caplog.text and fake.api_key not in caplog.text


@pytest.mark.parametrize(("backend", "module"), [("openai", "openai"), ("langchain", "langchain_openai")])
@on_a_loop
async def test_a_missing_package_names_its_extra(backend: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "pulsing.agent.openai_chat", raising=False)
    extra = {"openai": "llm", "langchain": "langchain"}[backend]
    with pytest.raises(ImportError, match=rf"pip install 'pulsing\[{extra}\]'"):
        await llm(api_key="k", backend=backend)


@on_a_loop
async def test_the_backend_may_come_from_the_environment_and_must_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSING_LLM_BACKEND", "oracle")
    with pytest.raises(ValueError, match="no LLM backend 'oracle': there are 'openai' and 'langchain'"):
        await llm(api_key="k")


@on_a_loop
async def test_the_echo_model_needs_no_key_and_says_what_the_user_said() -> None:
    chat = await llm(model="echo")

    assert (await chat.ainvoke([("system", "Be kind"), ("human", "Hi you"), ("ai", "Hello")])).content == "Hi you"
    assert str(chat.invoke("Hi")) == "Hi"
    assert [piece.content async for piece in chat.astream("one  two\n")] == ["one", "  two", "\n"]
    assert chat.invoke([("system", "Be kind")]).content == ""


@agent(role="Speaker")
class Speaker:
    """Says what a model says."""

    async def say(self, text: str) -> Any:
        return await (await llm(model="echo")).ainvoke(text)


@on_a_loop
async def test_a_reply_travels_between_nodes() -> None:
    speaker: Any = Speaker
    async with cluster(2) as (one, two):
        proxy = await speaker.spawn(system=one, placement=two.node_id)
        reply = await proxy.say("Hi")

    assert reply == Reply("Hi", "echo", "stop", 1, 1)


@on_a_loop
async def test_the_langchain_backend_gives_its_own_client(fake: FakeLLM) -> None:
    langchain = pytest.importorskip("langchain_openai")
    chat: Any = await chat_with(fake, backend="langchain", model="m")

    assert isinstance(chat, langchain.ChatOpenAI)
    assert (await chat.ainvoke([("human", "Hi")])).content == "Hi"
    assert (fake.requests[0].body["model"], fake.requests[0].body["temperature"]) == ("m", 0.7)
    assert fake.api_key not in repr(chat)
    await chat.root_async_client.close()


def used_of(model: str) -> tuple[dict[str, int], dict[str, int]]:
    """Requests by outcome and tokens by kind of a model, so far."""
    requests = {outcome: number for (name, outcome), number in USAGE.requests().items() if name == model}
    return requests, {kind: number for (name, kind), number in USAGE.tokens().items() if name == model}


@on_a_loop
async def test_requests_and_their_tokens_are_counted_by_model(fake: FakeLLM) -> None:
    chat = await chat_with(fake, model="counted")
    await chat.ainvoke("one")
    await asyncio.to_thread(chat.invoke, "two")
    assert [str(piece) async for piece in chat.astream("three")] == ["three"]

    assert used_of("counted") == ({"ok": 3}, {"prompt": 9, "completion": 15})
    assert fake.requests[-1].body["stream_options"] == {"include_usage": True}


@on_a_loop
async def test_requests_that_fail_or_are_left_are_counted_apart() -> None:
    with FakeLLM(FakeAnswer(status=401), FakeAnswer("one two", ends="cut"), "three four") as fake:
        chat = await chat_with(fake, model="unlucky")
        with pytest.raises(openai.AuthenticationError):
            await chat.ainvoke("Hi")
        with pytest.raises(openai.APIConnectionError):
            [piece async for piece in chat.astream("Hi")]
        stream = chat.astream("Hi")
        await anext(stream)
        await stream.aclose()

    assert used_of("unlucky") == ({"error": 2, "cancelled": 1}, {"prompt": 0, "completion": 0})


@on_a_loop
async def test_an_endpoint_that_does_not_know_stream_options_need_not_be_told(fake: FakeLLM) -> None:
    chat = await chat_with(fake, model="plain", stream_options=None)
    assert [str(piece) async for piece in chat.astream("three")] == ["three"]

    assert "stream_options" not in fake.requests[0].body
    assert used_of("plain") == ({"ok": 1}, {"prompt": 0, "completion": 0})


@on_a_loop
async def test_requests_of_langchain_are_counted_too() -> None:
    pytest.importorskip("langchain_openai")
    with FakeLLM("one", "two", FakeAnswer(status=401)) as fake:
        chat: Any = await chat_with(fake, backend="langchain", model="chained", max_retries=0, stream_usage=True)
        await chat.ainvoke("Hi")
        assert "".join([piece.content async for piece in chat.astream("Hi")]) == "two"
        with pytest.raises(openai.AuthenticationError):
            await chat.ainvoke("Hi")
        await chat.root_async_client.close()

    assert used_of("chained") == ({"ok": 2, "error": 1}, {"prompt": 6, "completion": 10})


def test_of_many_models_the_last_are_counted_together() -> None:
    usage = Usage()
    for number in range(MAX_MODELS + 2):
        usage.count(f"model-{number}", "ok", 1)
    usage.count("model-0", "ok", 1)

    assert usage.requests()["model-0", "ok"] == 2
    assert usage.requests()[OTHER, "ok"] == 2
    assert usage.tokens()[OTHER, "prompt"] == 2
