"""LangGraph with nodes that run elsewhere: its own engine goes through the graph, mapped nodes are actors.

What a node gets is its state and a config; reducers, branches, streams, checkpoints and stores stay where the graph is.
A node that interrupts asks LangGraph's own `interrupt` at home, which knows the answers and keeps what was asked.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pulsing as pul
from pulsing.core.helpers import run_sync, run_until_signal
from pulsing.integrations.graph_values import decoded, encoded
from pulsing.logs import logger_of

logger = logger_of("pulsing.langgraph")

RESOLVE_TIMEOUT_S = 30.0
NODE_TIMEOUT_S = 600.0
"""How long one node may take: models are slow."""


Part = tuple[str, int, str, bytes]
"""What a node says: "custom" for its stream writer, at last "update" or "interrupt"; how many answers it has used so
far; and a value in LangGraph's own encoding."""

_SHARED = ("tags", "metadata", "run_name", "recursion_limit")
"""What of a config travels, with the keys of `configurable` that are the user's."""


class GraphWorker:
    """Runs one node of graphs.

    Args:
        node: a function or coroutine function that takes the state, and if it likes `config`, `runtime`, `store` or
            `writer`.
        max_workers: how many states are worked on at once.
        queue_timeout: seconds that a state may wait for its turn.
    """

    def __init__(self, node: Callable[..., Any], max_workers: int = 4, queue_timeout: float = 30.0) -> None:
        self._node = node
        self._turns = asyncio.Semaphore(max_workers)
        self._queue_timeout = queue_timeout
        self._threads = ThreadPoolExecutor(max_workers, thread_name_prefix="pulsing-langgraph")

    async def run(self, kind: str, call: bytes, lent: Mapping[str, Any] | None = None) -> AsyncIterator[Part]:
        """Run the node on a state, with a config and the answers to its first interrupts, and say what comes of it.

        Args:
            kind, call: the encoded state, config and answers.
            lent: what there is to know of the graph's store, if it has one.

        Raises:
            PulsingTimeoutError: its turn did not come in time.
        """
        try:
            await asyncio.wait_for(self._turns.acquire(), self._queue_timeout)
        except asyncio.TimeoutError:
            raise pul.PulsingTimeoutError("waiting for a free worker", int(self._queue_timeout * 1000)) from None
        parts: asyncio.Queue[Part | None] = asyncio.Queue()
        work = asyncio.ensure_future(self._work(decoded(kind, call), lent, parts))
        work.add_done_callback(lambda _: parts.put_nowait(None))
        try:
            while (part := await parts.get()) is not None:
                yield part
            work.result()
        finally:
            work.cancel()
            self._turns.release()

    async def _work(
        self, call: Mapping[str, Any], lent: Mapping[str, Any] | None, parts: asyncio.Queue[Part | None]
    ) -> None:
        from langchain_core.runnables.config import set_config_context
        from langgraph.errors import GraphInterrupt

        loop, used = asyncio.get_running_loop(), _Answers(call["answers"])

        def say(what: str, value: Any) -> None:
            loop.call_soon_threadsafe(parts.put_nowait, (what, used.number, *encoded(value)))

        config = _config_of(call, used, _store_of(lent), functools.partial(say, "custom"))
        try:
            with set_config_context(config) as context:
                update = await self._run_node(context, call["state"], config)
        except GraphInterrupt as interrupt:
            [asked] = interrupt.args[0]
            say("interrupt", {"value": asked.value, "schema": getattr(asked, "response_schema", None)})
        else:
            say("update", update)
        # What was said is in the queue before this ends.
        await asyncio.sleep(0)

    async def _run_node(self, context: contextvars.Context, state: Any, config: Mapping[str, Any]) -> Any:
        node = functools.partial(self._node, state, **_wanted(self._node, config))
        if inspect.iscoroutinefunction(self._node):
            return await context.run(asyncio.ensure_future, node())
        return await asyncio.get_running_loop().run_in_executor(self._threads, context.run, node)

    def on_stop(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)


class _Answers:
    """What LangGraph's `interrupt` looks for its answers in, and which of them it has taken."""

    def __init__(self, answers: Sequence[Any]) -> None:
        self.number = 0
        self.scratchpad = SimpleNamespace(
            interrupt_counter=itertools.count().__next__, resume=list(answers), get_null_resume=lambda _: None
        )

    def take(self, writes: Sequence[tuple[str, Any]]) -> None:
        """Note an answer that was taken."""
        self.number += 1


async def start_worker(
    node_name: str,
    node_func: Callable[..., Any],
    *,
    addr: str,
    seeds: Sequence[str] | None = None,
    actor_name: str | None = None,
    max_workers: int = 4,
    queue_size: int = 100,
    queue_timeout: float = 30.0,
) -> None:
    """Serve a node of graphs in this process, until SIGINT or SIGTERM.

    Args:
        node_name: the node's name in the graph.
        node_func: takes the state and returns its update; it may also take `config`, `runtime`, `store` or `writer`.
        addr, seeds: as for `init`.
        actor_name: by default `langgraph_node_<node_name>`.
        max_workers: how many states are worked on at once; functions that are no coroutines run in threads.
        queue_size: how many more may wait here; senders wait beyond that.
        queue_timeout: seconds that one may wait here.
    """
    system = await pul.init(addr, seeds=list(seeds or ()))
    name = actor_name or actor_name_of(node_name)
    worker = pul.remote(GraphWorker).with_options(max_concurrency=max_workers + queue_size, mailbox=queue_size)
    await worker.spawn(node_func, max_workers, queue_timeout, system=system, name=name, public=True)
    await run_until_signal(name)


def with_pulsing(
    graph: Any,
    *,
    node_mapping: Mapping[str, str] | None = None,
    addr: str | None = None,
    seeds: Sequence[str] | None = None,
) -> Any:
    """A graph like this one whose mapped nodes run in their workers; without a mapping, the graph itself.

    Args:
        graph: a compiled graph, which is left as it is.
        node_mapping: the name of the worker's actor, by the name of the node.
        addr, seeds: as for `init`, which is called at the first use where there is no system.

    Raises:
        ValueError: the graph has no node of a name.
    """
    if not node_mapping:
        return graph
    unknown = sorted(set(node_mapping) - set(graph.nodes))
    if unknown:
        raise ValueError(f"the graph has no node {', '.join(unknown)}; it has {', '.join(graph.nodes)}")
    return DistributedGraph(graph, node_mapping, addr, seeds)


def actor_name_of(node_name: str) -> str:
    """How the actor of a node is called, unless its worker says otherwise."""
    return f"langgraph_node_{node_name}"


class DistributedGraph:
    """A compiled graph with nodes elsewhere; what is not here is that of the graph."""

    def __init__(
        self, graph: Any, node_mapping: Mapping[str, str], addr: str | None, seeds: Sequence[str] | None
    ) -> None:
        self._addr, self._seeds, self._started = addr, list(seeds or ()), False
        self._graph = graph.copy()
        remote = {node: graph.nodes[node].copy({"bound": _remote_node(name)}) for node, name in node_mapping.items()}
        self._graph.nodes = {**graph.nodes, **remote}

    async def ainvoke(self, *args: Any, **options: Any) -> Any:
        """As LangGraph's."""
        await self._start()
        return await self._graph.ainvoke(*args, **options)

    def invoke(self, *args: Any, **options: Any) -> Any:
        """As LangGraph's, for code that is not asynchronous."""
        return run_sync(self.ainvoke(*args, **options))

    async def astream(self, *args: Any, **options: Any) -> AsyncIterator[Any]:
        """As LangGraph's."""
        await self._start()
        async for part in self._graph.astream(*args, **options):
            yield part

    async def close(self) -> None:
        """Shut the process-wide system down if this graph has started it."""
        if self._started:
            self._started = False
            await pul.shutdown()

    async def _start(self) -> None:
        if not pul.is_initialized():
            await pul.init(self._addr, seeds=self._seeds)
            self._started = True

    def __getattr__(self, name: str) -> Any:
        if name == "_graph":
            raise AttributeError(name)
        return getattr(self._graph, name)


def _remote_node(actor_name: str) -> Any:
    from langchain_core.runnables import RunnableLambda

    async def call(state: Any, config: Mapping[str, Any]) -> Any:
        return await asyncio.wait_for(_call(actor_name, state, config), NODE_TIMEOUT_S)

    return RunnableLambda(lambda state, config: run_sync(call(state, config)), afunc=call, name=actor_name)


async def _call(actor_name: str, state: Any, config: Mapping[str, Any]) -> Any:
    from pulsing.integrations.graph_store import lent

    worker = (await pul.resolve(actor_name, timeout=RESOLVE_TIMEOUT_S)).as_any()
    known, given = _known_answers(config), list[Any]()
    while True:
        call = {"state": state, "answers": [*given, *known[len(given) :]], **_shared(config)}
        async with lent(_runtime(config).store) as store:
            what, used, value = await _follow(worker, call, store, config)
        while len(given) < used:
            # LangGraph is to note that this answer was used; what was asked does not matter any more.
            given.append(await _interrupt(config, None))
        if what == "update":
            return value
        given.append(await _interrupt(config, value["value"], value["schema"]))


async def _follow(
    worker: Any, call: Mapping[str, Any], lent: Mapping[str, Any] | None, config: Mapping[str, Any]
) -> tuple[str, int, Any]:
    """Pass on what the node streams, and give what it says last."""
    async for what, used, *told in worker.run(*encoded(call), lent):
        value = decoded(*told)
        if what != "custom":
            return what, used, value
        _runtime(config).stream_writer(value)
    raise pul.PulsingRuntimeError("the worker of a node has ended before the node")


async def _interrupt(config: Mapping[str, Any], question: Any, schema: Any = None) -> Any:
    """LangGraph's own: gives the answer, or ends the node until there is one."""
    from langchain_core.runnables.config import set_config_context
    from langgraph.types import interrupt

    ask = functools.partial(interrupt, question, **({} if schema is None else {"response_schema": schema}))
    with set_config_context(dict(config)) as context:
        # In a thread, because on Python 3.10 it refuses to look for its config in coroutines.
        return await asyncio.to_thread(context.run, ask)


def _known_answers(config: Mapping[str, Any]) -> list[Any]:
    """The answers that a node which is resumed will ask for; without them it would be run once more for each."""
    from langgraph._internal._constants import CONFIG_KEY_SCRATCHPAD

    scratchpad = config["configurable"][CONFIG_KEY_SCRATCHPAD]
    given = scratchpad.get_null_resume(False)
    return [*scratchpad.resume, *([] if given is None else [given])]


def _shared(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the node is told of its config, as far as that can be encoded."""
    runtime, configurable = _runtime(config), config["configurable"]
    own = {key: value for key, value in configurable.items() if not key.startswith("__")}
    parts = {key: config[key] for key in _SHARED if key in config}
    return {
        "config": {**_encodable(parts), "configurable": _encodable(own)},
        "context": _encodable({"context": getattr(runtime, "context", None)}).get("context"),
    }


def _encodable(values: Mapping[str, Any]) -> dict[str, Any]:
    kept = {}
    for key, value in values.items():
        try:
            encoded(value)
        except Exception as error:
            # Whatever an encoder of somebody's own raises.
            logger.debug("%s stays at home: %s", key, error)
        else:
            kept[key] = value
    return kept


def _store_of(lent: Mapping[str, Any] | None) -> Any:
    from pulsing.integrations.graph_store import StoreAtHome

    return None if lent is None else StoreAtHome(lent, asyncio.get_running_loop())


def _config_of(call: Mapping[str, Any], answers: _Answers, store: Any, writer: Callable[[Any], None]) -> dict[str, Any]:
    from langgraph._internal._constants import CONFIG_KEY_RUNTIME, CONFIG_KEY_SCRATCHPAD, CONFIG_KEY_SEND
    from langgraph.runtime import Runtime

    configurable = {
        "checkpoint_ns": "",
        **call["config"]["configurable"],
        CONFIG_KEY_SCRATCHPAD: answers.scratchpad,
        CONFIG_KEY_SEND: answers.take,
        CONFIG_KEY_RUNTIME: Runtime(context=call["context"], store=store, stream_writer=writer),
    }
    return {**call["config"], "configurable": configurable}


def _runtime(config: Mapping[str, Any]) -> Any:
    from langgraph._internal._constants import CONFIG_KEY_RUNTIME

    return config["configurable"][CONFIG_KEY_RUNTIME]


def _wanted(node: Callable[..., Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a node takes beside the state."""
    runtime = _runtime(config)
    offered = {"config": config, "runtime": runtime, "store": runtime.store, "writer": runtime.stream_writer}
    return {name: offered[name] for name in inspect.signature(node).parameters if name in offered}
