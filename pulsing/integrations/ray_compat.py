"""The calls of Ray's actors, kept by actors of this process: for programs written for Ray that do not need it.

from pulsing.integrations.ray_compat import ray

ray.init()

@ray.remote
class Counter: ...

counter = Counter.remote()
print(ray.get(counter.add.remote(1)))
ray.shutdown()

There is no object store, nothing is pickled, and no process is started: values are passed as they are.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import time
from collections.abc import Generator, Sequence
from typing import Any, Generic, TypeVar

import pulsing as pul
from pulsing.core.actor_class import ActorClass
from pulsing.core.helpers import run_sync
from pulsing.core.proxy import ActorProxy

T = TypeVar("T")


def init(address: str | None = None, *, ignore_reinit_error: bool = False, **kw: Any) -> None:
    """Start the process-wide system on a background loop.

    Args:
        address: "host:port" to listen on; None for a system of this process alone.
        ignore_reinit_error: take the system that there is, if there is one.
        kw: further keywords of `pulsing.init`.

    Raises:
        RuntimeError: there is a system, or this is called on its loop.
        ValueError, AddressInUse, AuthFailed, JoinTimeout: as of `pulsing.init`.
    """
    if not pul.is_initialized():
        run_sync(pul.init(address, **kw))
    elif not ignore_reinit_error:
        raise RuntimeError("Already initialized: call shutdown() first, or pass ignore_reinit_error=True")


def shutdown() -> None:
    """Shut the process-wide system down; nothing to do if there is none."""
    if pul.is_initialized():
        run_sync(pul.shutdown())


def is_initialized() -> bool:
    """Whether there is a process-wide system."""
    return pul.is_initialized()


def remote(cls: type[T]) -> RemoteClass[T]:
    """Make a class whose instances are actors.

    Methods that are no coroutines run in a thread of the actor, one at a time: they may wait for other actors.

    Raises:
        TypeError: not a class; functions need an actor around them.
    """
    return RemoteClass(cls)


class RemoteClass(Generic[T]):
    """What `remote` makes of a class."""

    def __init__(self, cls: type[T]) -> None:
        self._actor_class: ActorClass[T] = pul.remote(cls, threaded=True)  # type: ignore[call-overload]

    def remote(self, *args: Any, **kwargs: Any) -> ActorHandle:
        """Construct an instance and make it an actor; what the constructor raises is raised here.

        Raises:
            NotInitialized: `init` was not called.
        """
        pul.get_system()
        return ActorHandle(run_sync(_spawn(self._actor_class, args, kwargs)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"make an actor by {self._actor_class.__name__}.remote(...)")

    def __repr__(self) -> str:
        return f"<remote class {self._actor_class.__name__}>"


class ActorHandle:
    """An actor; `handle.method.remote(...)` calls it."""

    def __init__(self, proxy: ActorProxy) -> None:
        self._proxy = proxy
        self._turn = asyncio.Lock()

    def __getattr__(self, name: str) -> RemoteMethod:
        if name.startswith("_"):
            raise AttributeError(name)
        return RemoteMethod(self, getattr(self._proxy, name))

    def __repr__(self) -> str:
        return f"<actor handle {self._proxy.ref}>"


class RemoteMethod:
    """A method of an actor."""

    def __init__(self, handle: ActorHandle, method: Any) -> None:
        self._handle = handle
        self._method = method

    def remote(self, *args: Any, **kwargs: Any) -> ObjectRef:
        """Start a call; those of one thread begin in order. Where an argument is an `ObjectRef`, its value is passed.

        Raises:
            NotInitialized: the system was shut down.
        """
        loop = pul.get_system().inner.loop
        return ObjectRef(asyncio.run_coroutine_threadsafe(self._call(args, kwargs), loop))

    async def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        async with self._handle._turn:
            # Whoever is called next waits for these values too, so that the order stays.
            values = [await _value(one) for one in args]
            named = {name: await _value(one) for name, one in kwargs.items()}
            call = asyncio.ensure_future(_run(self._method, values, named))
        return await call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("call a method of an actor by method.remote(...)")


class ObjectRef:
    """A value that will come; `get` and, in coroutines, `await` wait for it."""

    def __init__(self, future: concurrent.futures.Future[Any]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, Any]:
        # Whoever gives up waiting does not take the value from the others.
        return asyncio.shield(asyncio.wrap_future(self._future)).__await__()

    def __repr__(self) -> str:
        return f"<object ref, {'ready' if self._future.done() else 'pending'}>"


def put(value: Any) -> ObjectRef:
    """A reference to a value that there is."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future.set_result(value)
    return ObjectRef(future)


def get(refs: ObjectRef | Sequence[ObjectRef], *, timeout: float | None = None) -> Any:
    """Wait for a value, or for those of a list.

    Args:
        refs: one or several.
        timeout: seconds for all of them together; None for no limit. The calls go on when it passes.

    Raises:
        TimeoutError: not all of them are there in time.
        RuntimeError: called on the loop of the system, which it would block; use `await` there.
        TypeError: something is no `ObjectRef`.
        Exception: what the call raised.
    """
    if isinstance(refs, ObjectRef):
        return get([refs], timeout=timeout)[0]
    futures = _futures(refs)
    _, late = concurrent.futures.wait(futures, timeout, concurrent.futures.FIRST_EXCEPTION)
    failed = next((future for future in futures if future.done() and future.exception() is not None), None)
    if failed is None and late:
        raise TimeoutError(f"{len(late)} of {len(futures)} values are not there within {timeout:g} s")
    return [failed.result()] if failed is not None else [future.result() for future in futures]


def wait(
    refs: Sequence[ObjectRef], *, num_returns: int = 1, timeout: float | None = None
) -> tuple[list[ObjectRef], list[ObjectRef]]:
    """Wait until so many values are there, or have failed.

    Returns:
        Those, at most `num_returns`, and the rest, both in the order of `refs`.

    Raises:
        ValueError: `num_returns` is less than one or more than there are, or a ref is there twice.
        RuntimeError, TypeError: as of `get`.
    """
    futures = _futures(refs)
    if not 1 <= num_returns <= len(futures):
        raise ValueError(f"num_returns is between 1 and the number of refs ({len(futures)}), got {num_returns}")
    if len(set(futures)) < len(futures):
        raise ValueError("a ref may be waited for once")
    deadline = None if timeout is None else time.monotonic() + timeout
    done: set[concurrent.futures.Future[Any]] = {future for future in futures if future.done()}
    while len(done) < num_returns:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        more = concurrent.futures.wait(set(futures) - done, left, concurrent.futures.FIRST_COMPLETED).done
        if not more:
            break
        done |= more
    ready = [ref for ref in refs if ref._future in done][:num_returns]
    return ready, [ref for ref in refs if ref not in ready]


async def _spawn(actor_class: ActorClass[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> ActorProxy:
    # All keywords are the constructor's, whatever they are called.
    plain = actor_class.with_options(name=None, public=None, system=None, placement="local")
    return await plain.spawn(*args, **kwargs)


async def _run(method: Any, values: Sequence[Any], named: dict[str, Any]) -> Any:
    return await method(*values, **named)


async def _value(argument: Any) -> Any:
    return await argument if isinstance(argument, ObjectRef) else argument


def _futures(refs: Any) -> list[concurrent.futures.Future[Any]]:
    if not isinstance(refs, (list, tuple)) or not all(isinstance(ref, ObjectRef) for ref in refs):
        raise TypeError("wait for an ObjectRef, or for a list of them")
    futures = [ref._future for ref in refs]
    if not all(future.done() for future in futures):
        _check_may_block()
    return futures


def _check_may_block() -> None:
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return
    if pul.is_initialized() and pul.get_system().inner.loop is loop:
        raise RuntimeError("this would block the event loop that it waits for: use 'await ref' here")


ray = sys.modules[__name__]
"""This module, for programs that say `ray.get`."""

__all__ = [
    "ActorHandle",
    "ObjectRef",
    "RemoteClass",
    "get",
    "init",
    "is_initialized",
    "put",
    "ray",
    "remote",
    "shutdown",
    "wait",
]
