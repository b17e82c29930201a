"""LangGraph's own engine with a node that runs in another process."""

from __future__ import annotations

import asyncio
import operator
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command

import pulsing as pul
from pulsing.integrations.graph_values import encoded
from pulsing.integrations.langgraph import GraphWorker, with_pulsing
from tests.engines.ray_cluster import ROOT

pytestmark = [pytest.mark.shared_resources, pytest.mark.timeout(120), pytest.mark.filterwarnings("default")]
MAPPING = {"think": "node"}


class State(TypedDict):
    seen: Annotated[list[str], operator.add]
    pid: int


def compiled(context_schema: Any = None, **options: Any) -> Any:
    graph = StateGraph(State, context_schema=context_schema)
    graph.add_node("think", lambda state: {"seen": ["never here"]})
    graph.add_node("say", lambda state: {"seen": ["said"]})
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", lambda state: "say" if len(state["seen"]) > 1 else "think")
    graph.add_edge("say", END)
    return graph.compile(**options)


@asynccontextmanager
async def worker(node: str = "think") -> AsyncIterator[None]:
    """A process that serves the node "think" by one of the functions of `graph_worker`."""
    system = await pul.init("127.0.0.1:0", admin=False)
    command = [sys.executable, "-m", "tests.engines.graph_worker", node, "127.0.0.1:0", system.inner.addr]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
        await pul.shutdown()


async def test_a_mapped_node_runs_in_its_worker_and_the_rest_is_langgraph() -> None:
    async with worker():
        plain = compiled(checkpointer=InMemorySaver())
        graph = with_pulsing(plain, node_mapping=MAPPING)
        config = {"configurable": {"thread_id": "1"}}

        result = await graph.ainvoke({"seen": ["begin"], "pid": 0}, config)
        assert result["seen"] == ["begin", "thought after 1", "said"]
        assert result["pid"] not in (0, os.getpid())
        parts = [part async for part in graph.astream({"seen": ["more"]}, config, stream_mode="updates")]
        assert [list(part) for part in parts] == [["think"], ["say"]]
        assert (await graph.aget_state(config)).values["seen"][-3:] == ["more", "thought after 4", "said"]
        assert (
            plain.invoke({"seen": ["x", "y"], "pid": 0}, {"configurable": {"thread_id": "2"}})["seen"][2]
            == "never here"
        )


async def test_after_a_failure_in_the_worker_the_graph_resumes_from_its_checkpoint() -> None:
    async with worker():
        graph = with_pulsing(compiled(checkpointer=InMemorySaver()), node_mapping=MAPPING)
        config = {"configurable": {"thread_id": "1"}}
        with pytest.raises(ValueError, match="nothing to think about"):
            await graph.ainvoke({"seen": ["fail"], "pid": 0}, config)

        await graph.aupdate_state(config, {"seen": ["mended"]}, as_node="__start__")
        assert (await graph.ainvoke(None, config))["seen"] == ["fail", "mended", "thought after 2", "said"]


async def test_a_node_elsewhere_may_interrupt_and_is_resumed_with_the_answers() -> None:
    async with worker("ask"):
        graph = with_pulsing(compiled(checkpointer=InMemorySaver()), node_mapping=MAPPING)
        config = {"configurable": {"thread_id": "1"}}

        first = await graph.ainvoke({"seen": ["begin"], "pid": 0}, config)
        [asked] = first["__interrupt__"]
        assert asked.value == {"question": "your name?"}
        second = await graph.ainvoke(Command(resume="Ada"), config)
        [asked] = second["__interrupt__"]
        assert asked.value == "the age of Ada?"
        # As one comes back who knows what the question was called.
        last = await graph.ainvoke(Command(resume={asked.id: 36}), config)
        assert last["seen"] == ["begin", "Ada is 36", "said"]
        assert last["pid"] not in (0, os.getpid())


async def test_a_node_elsewhere_has_config_and_context_and_may_write_to_the_stream() -> None:
    async with worker("tell"):
        graph = with_pulsing(compiled(context_schema=dict), node_mapping=MAPPING)
        config = {"configurable": {"user": "Ada", "here only": object()}, "tags": ["blue"]}
        parts = [
            part
            async for part in graph.astream(
                {"seen": ["begin"], "pid": 0}, config, context={"team": "red"}, stream_mode=["custom", "updates"]
            )
        ]

        assert [part for mode, part in parts if mode == "custom"] == ["a word", {"more": 1}]
        [told] = [part["think"]["seen"] for mode, part in parts if mode == "updates" and "think" in part]
        assert told == ["for Ada of red, tagged ['blue']"]


@pytest.mark.parametrize("node", ["remember", "remember_later"])
async def test_a_node_elsewhere_uses_the_store_of_the_graph(node: str) -> None:
    async with worker(node):
        store = InMemoryStore()
        store.put(("users", "ada"), "likes", {"drink": "tea"})
        graph = with_pulsing(compiled(store=store), node_mapping=MAPPING)

        result = await graph.ainvoke({"seen": ["begin"], "pid": 0})
        assert result["pid"] not in (0, os.getpid())
        assert result["seen"][1:-1] == ["likes tea", "1 found: likes, None"]
        assert store.search(("users", "ada"))[0].value == {"drink": "coffee"}
        # Nobody may ask for it after the node.
        [keepers] = [one for one in pul.get_system().inner.statistics().classes if one.name.endswith("StoreKeeper")]
        assert sum(keepers.actors_by_state.values()) == 0


async def test_code_that_is_not_asynchronous_may_invoke_and_stream_too() -> None:
    async with worker():
        graph = with_pulsing(compiled(), node_mapping=MAPPING)
        state = {"seen": ["begin"], "pid": 0}

        assert (await asyncio.to_thread(graph.invoke, state))["seen"] == ["begin", "thought after 1", "said"]
        parts = await asyncio.to_thread(lambda: list(graph.stream(state, stream_mode="updates")))
        assert [list(part) for part in parts] == [["think"], ["say"]]


async def test_a_state_whose_turn_does_not_come_in_time_is_refused() -> None:
    async def never(state: Any) -> None:
        await asyncio.Event().wait()

    call = encoded({"state": None, "answers": [], "config": {"configurable": {}}, "context": None})
    worker = GraphWorker(never, max_workers=1, queue_timeout=0.01)
    first = asyncio.ensure_future(anext(worker.run(*call)))
    await asyncio.sleep(0)
    with pytest.raises(pul.PulsingTimeoutError, match="waiting for a free worker"):
        await anext(worker.run(*call))
    first.cancel()


def test_without_a_mapping_it_is_the_graph_itself_and_a_wrong_name_is_refused() -> None:
    graph = compiled()

    assert with_pulsing(graph) is graph
    with pytest.raises(ValueError, match="no node dream"):
        with_pulsing(graph, node_mapping={"dream": "x"})
