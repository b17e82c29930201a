"""LangGraph with nodes that run elsewhere: its own engine goes through the graph, mapped nodes are actors.

What a node gets is its state; reducers, branches, streams and checkpoints stay where the graph is.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pulsing as pul
from pulsing.core.helpers import run_sync, run_until_signal

RESOLVE_TIMEOUT_S = 30.0
NODE_TIMEOUT_S = 600.0
"""How long one node may take: models are slow."""


class GraphWorker:
    """Runs one node of graphs.

    Args:
        node: a function or coroutine function that takes the state.
        max_workers: how many states are worked on at once.
        queue_timeout: seconds that a state may wait for its turn.
    """

    def __init__(self, node: Callable[[Any], Any], max_workers: int = 4, queue_timeout: float = 30.0) -> None:
        self._node = node
        self._turns = asyncio.Semaphore(max_workers)
        self._queue_timeout = queue_timeout
        self._threads = ThreadPoolExecutor(max_workers, thread_name_prefix="pulsing-langgraph")

    async def run(self, kind: str, state: bytes) -> tuple[str, bytes]:
        """Run the node on a state, in LangGraph's own encoding, and return its update so.

        Raises:
            PulsingTimeoutError: its turn did not come in time.
        """
        try:
            await asyncio.wait_for(self._turns.acquire(), self._queue_timeout)
        except asyncio.TimeoutError:
            raise pul.PulsingTimeoutError("waiting for a free worker", int(self._queue_timeout * 1000)) from None
        try:
            update = await self._run_node(_serializer().loads_typed((kind, state)))
        finally:
            self._turns.release()
        encoded: tuple[str, bytes] = _serializer().dumps_typed(update)
        return encoded

    async def _run_node(self, value: Any) -> Any:
        if inspect.iscoroutinefunction(self._node):
            return await self._node(value)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._node, value)

    def on_stop(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False)


async def start_worker(
    node_name: str,
    node_func: Callable[[Any], Any],
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
        node_func: takes the state and returns its update.
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

    async def call(state: Any) -> Any:
        worker = (await pul.resolve(actor_name, timeout=RESOLVE_TIMEOUT_S)).as_any()
        kind, update = await worker.with_options(timeout=NODE_TIMEOUT_S).run(*_serializer().dumps_typed(state))
        return _serializer().loads_typed((kind, update))

    return RunnableLambda(lambda state: run_sync(call(state)), afunc=call, name=actor_name)


def _serializer() -> Any:
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

    return JsonPlusSerializer(pickle_fallback=False)
