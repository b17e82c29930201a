"""The way to a bucket or a broker: managers are asked, from one to the next that it names, until one has it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from pulsing.core import ActorId, ActorProxy, ActorRef, NodeId
from pulsing.core.system import System
from pulsing.exceptions import (
    ActorNotFound,
    ActorStopped,
    BucketUnavailable,
    LinkLost,
    NodeDead,
    NodeLeaving,
    NodeNotFound,
    NotOwner,
    PulsingRuntimeError,
)
from pulsing.streaming.backend import backend_name
from pulsing.streaming.broker import TopicBroker
from pulsing.streaming.manager import local_manager, manager_ref
from pulsing.streaming.names import broker_actor, bucket_actor, check_bucket, check_topic
from pulsing.streaming.ownership.catalogue import bucket_key, topic_key
from pulsing.streaming.ownership.folders import folder_text
from pulsing.streaming.storage import BucketStorage

T = TypeVar("T")

MAX_REDIRECTS = 3
OWNER_LOST_PATIENCE_S = 5.0
"""How long a handle looks for the new owner when the old one does not answer; a death is seen within about 1 s."""

GONE = (ActorNotFound, ActorStopped, NodeDead, NodeLeaving, NodeNotFound, LinkLost)
"""What says that an actor is no longer where it was."""


async def get_bucket_ref(
    system: Any,
    topic: str,
    bucket_id: int,
    batch_size: int = 100,
    storage_path: str | None = None,
    backend: str | type | None = None,
    backend_options: Mapping[str, Any] | None = None,
    max_redirects: int = MAX_REDIRECTS,
) -> ActorProxy:
    """Find the actor of a bucket, wherever it is; it is made if there is none.

    Args:
        system: the system to look from.
        topic: name of the queue.
        bucket_id: number of the bucket.
        batch_size, storage_path, backend, backend_options: as for `Queue`, used if this makes the bucket.
        max_redirects: how many times to follow a manager that names another owner.

    Raises:
        NotOwner: the redirects led nowhere.
        ValueError: the queue was set up otherwise, has no such bucket, or an argument makes no sense.
    """
    topic = check_bucket(topic, bucket_id)
    storage_path = folder_text(storage_path)
    if storage_path is not None:
        local_manager(system).folders.allow(storage_path)
    name = None if backend is None else backend_name(backend)
    call = (
        topic,
        bucket_id,
        batch_size,
        storage_path,
        name,
        None if backend_options is None else dict(backend_options),
    )
    ready = await _follow(system, "get_bucket", call, "BucketReady", max_redirects)
    return _found(system, ready, bucket_key(topic, bucket_id), bucket_actor(topic, bucket_id)).as_type(BucketStorage)


async def get_topic_broker(system: Any, topic: str, max_redirects: int = MAX_REDIRECTS) -> ActorProxy:
    """Find the broker of a topic, wherever it is; it is made if there is none.

    Raises:
        NotOwner: the redirects led nowhere.
        ValueError: the name breaks the grammar of names.
    """
    topic = check_topic(topic)
    ready = await _follow(system, "get_topic", (topic,), "TopicReady", max_redirects)
    return _found(system, ready, topic_key(topic), broker_actor(topic)).as_type(TopicBroker)


def _found(system: Any, ready: Mapping[str, Any], key: str, name: str) -> ActorRef:
    inner: System = getattr(system, "inner", system)
    # Whoever uses a bucket knows its holder, even if that dies before its own news of it has come.
    holding = [int(ready.get("epoch", 0)), int(ready["node_id"])]
    local_manager(inner).catalogue.merge({"queues": {}, "holdings": {key: holding}})
    return inner.bind(ActorId(int(ready["actor_id"])), name if "/" in name else f"actors/{name}")


async def _follow(system: Any, method: str, call: tuple[Any, ...], wanted: str, max_redirects: int) -> dict[str, Any]:
    """Ask managers until one has the resource."""
    inner: System = getattr(system, "inner", system)
    local_manager(system)
    return await patiently(inner, lambda: _follow_once(inner, method, call, wanted, max_redirects))


async def ask_manager(system: Any, method: str, *args: Any) -> Any:
    """Ask this node's manager something that may be asked twice."""
    inner: System = getattr(system, "inner", system)
    local_manager(inner)
    return await patiently(inner, lambda: manager_ref(inner).request(method, args, None, 30.0))


async def patiently(inner: System, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again while the node that has the answer may be dead but has not been found so yet."""
    patience = inner.now() + OWNER_LOST_PATIENCE_S
    pause = 0.02
    while True:
        try:
            return await ask()
        except GONE:
            inner.check_running()
            if inner.now() >= patience:
                raise
        except BucketUnavailable as refusal:
            refusal.maybe_executed = False  # no bucket has been asked for anything yet
            raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.25)


async def _follow_once(
    inner: System, method: str, call: tuple[Any, ...], wanted: str, max_redirects: int
) -> dict[str, Any]:
    resource = " ".join(str(part) for part in call[:2])
    node_id = inner.node_id.id
    for _ in range(max_redirects + 1):
        answer: dict[str, Any] = await manager_ref(inner, node_id).request(method, call, None, 30.0)
        kind = answer.get("_type")
        if kind == wanted:
            return answer
        if kind != "Redirect":
            raise PulsingRuntimeError(f"Unexpected response {kind!r} to {method} for {resource}")
        owner, epoch = int(answer["owner_node_id"]), int(answer.get("epoch", 0))
        if owner == node_id:
            raise NotOwner(resource, NodeId(owner), epoch, f"Redirect loop for {resource} at node {owner:016x}")
        node_id = owner
    raise NotOwner(resource, NodeId(node_id), 0, f"Too many redirects for {resource}")
