"""The store of a graph, for a node that runs elsewhere: what the node asks of it is done where the graph is.

Needs LangGraph when it is imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchItem,
    SearchOp,
)

import pulsing as pul
from pulsing.core.proxy import ActorProxy
from pulsing.integrations.graph_values import decoded, encoded

ANSWER_TIMEOUT_S = 600.0
"""As long as a node may take: a store may ask a model for what is searched."""

Lent = Mapping[str, Any]
"""What a node elsewhere is told of a store: the `keeper` to ask, and what the store says of times to live."""


@pul.remote
class StoreKeeper:
    """Does at home what one node asks of the store.

    Args:
        store: LangGraph's.
        loop: where it is used; stores may belong to the loop of their graph.
    """

    def __init__(self, store: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._store = store
        self._loop = loop

    async def batch(self, kind: str, ops: bytes) -> tuple[str, bytes]:
        """Do operations, and give their results in the same order, both encoded."""
        work = self._store.abatch([_operation(*one) for one in decoded(kind, ops)])
        if self._loop is asyncio.get_running_loop():
            return encoded([_plain_result(result) for result in await work])
        results = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
        return encoded([_plain_result(result) for result in results])


@asynccontextmanager
async def lent(store: Any) -> AsyncIterator[Lent | None]:
    """Let a node elsewhere use a store for the length of the block."""
    if store is None:
        yield None
        return
    keeper = await StoreKeeper.spawn(store, asyncio.get_running_loop())
    try:
        yield {"keeper": keeper, "supports_ttl": store.supports_ttl, "ttl_config": dict(store.ttl_config or {})}
    finally:
        await pul.get_system().stop(keeper)


class StoreAtHome(BaseStore):  # type: ignore[misc]
    """The store of a graph, as a node elsewhere sees it.

    Args:
        lent: what the node was told of it.
        loop: the loop of the worker.
    """

    def __init__(self, lent: Lent, loop: asyncio.AbstractEventLoop) -> None:
        keeper: ActorProxy = lent["keeper"]
        self._keeper = keeper.as_any().with_options(timeout=ANSWER_TIMEOUT_S)
        self._loop = loop
        self.supports_ttl = lent["supports_ttl"]
        self.ttl_config = lent["ttl_config"] or None

    async def abatch(self, ops: Iterable[Any]) -> list[Any]:
        """As LangGraph's."""
        asked = list(ops)
        results = decoded(*await self._keeper.batch(*encoded([_plain(op) for op in asked])))
        return [_result(op, result) for op, result in zip(asked, results, strict=True)]

    def batch(self, ops: Iterable[Any]) -> list[Any]:
        """As LangGraph's, for nodes that are no coroutines.

        Raises:
            RuntimeError: called by one that is, which would hold the worker.
        """
        if _runs_here(self._loop):
            raise RuntimeError(
                "an async node awaits its store when it runs elsewhere: store.aget(...), store.aput(...)"
            )
        return asyncio.run_coroutine_threadsafe(self.abatch(ops), self._loop).result()


def _plain(op: Any) -> tuple[str, dict[str, Any]]:
    fields = op._asdict()
    if fields.get("match_conditions"):
        fields["match_conditions"] = [tuple(condition) for condition in fields["match_conditions"]]
    return type(op).__name__, fields


_OPERATIONS = {cls.__name__: cls for cls in (GetOp, PutOp, SearchOp, ListNamespacesOp)}


def _operation(name: str, fields: dict[str, Any]) -> Any:
    for place in ("namespace", "namespace_prefix"):
        if place in fields:
            fields[place] = tuple(fields[place])
    if fields.get("match_conditions"):
        fields["match_conditions"] = tuple(MatchCondition(how, tuple(path)) for how, path in fields["match_conditions"])
    return _OPERATIONS[name](**fields)


def _plain_result(result: Any) -> Any:
    if isinstance(result, Item):
        return result.dict()
    return [_plain_result(one) for one in result] if isinstance(result, list) else result


def _result(op: Any, result: Any) -> Any:
    if isinstance(op, GetOp):
        return None if result is None else Item(**result)
    if isinstance(op, SearchOp):
        return [SearchItem(**one) for one in result]
    return [tuple(namespace) for namespace in result] if isinstance(op, ListNamespacesOp) else None


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
