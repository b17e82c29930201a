"""Calls that look like method calls: a proxy turns `await proxy.method(…)` into a message and back into a value."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Generator
from collections.abc import Set as AbstractSet
from threading import get_ident
from typing import Any

import pulsing.core.elsewhere as elsewhere
from pulsing.core.envelope import ATTRIBUTE, Envelope
from pulsing.core.home import at_home
from pulsing.core.methods import MethodTable, method_table
from pulsing.core.ref import ActorRef
from pulsing.core.streams import StreamReader
from pulsing.core.timers import DEFAULT_ASK_TIMEOUT, check_seconds

_new: Any = object.__new__


class ActorProxy:
    """Forwards method calls to an actor on any node.

    Args:
        actor_ref: the actor.
        method_names: the methods it has; None or empty means any public name is forwarded (an untyped proxy).
        async_methods: which of them are asynchronous; None where that is not known.
    """

    # The dict is for methods that have been asked for; a proxy that nobody calls through has none.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_async_methods",
        "_class_name",
        "_method_names",
        "_one_way",
        "_ref",
        "_streams",
        "_timeout",
    )

    def __init__(
        self,
        actor_ref: ActorRef,
        method_names: Collection[str] | None = None,
        async_methods: AbstractSet[str] | None = None,
    ) -> None:
        self._ref = actor_ref
        self._method_names = frozenset(method_names) if method_names else None
        self._async_methods = async_methods
        self._streams: frozenset[str] = frozenset()
        self._class_name: str | None = None
        self._timeout: float | None = DEFAULT_ASK_TIMEOUT
        self._one_way = False

    @property
    def ref(self) -> ActorRef:
        """The reference beneath."""
        return self._ref

    def as_any(self) -> ActorProxy:
        """A proxy of the same actor that forwards any public method name."""
        return ActorProxy(self._ref)

    def with_options(self, *, timeout: float | None = DEFAULT_ASK_TIMEOUT, one_way: bool = False) -> ActorProxy:
        """A proxy of the same actor whose calls are made differently.

        Args:
            timeout: seconds that each call waits; None for no limit, only for an actor of this node.
            one_way: awaiting a call returns None as soon as the message was accepted.

        Raises:
            ValueError: the timeout is no number of seconds.
        """
        check_seconds(timeout, "timeout")
        proxy = ActorProxy(self._ref, self._method_names, self._async_methods)
        proxy._streams = self._streams
        proxy._class_name = self._class_name
        proxy._timeout = timeout
        proxy._one_way = one_way
        return proxy

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"Cannot access private attribute: {name}")
        if self._method_names is not None and name not in self._method_names:
            raise AttributeError(f"No method {name!r}")
        kind = StreamingMethod if name in self._streams else RemoteMethod
        if self._method_names is None:
            kind = UntypedMethod
        method = kind(self._ref, name, self._timeout, self._one_way)
        # The next access finds it without coming here.
        self.__dict__[name] = method
        return method

    def __eq__(self, other: object) -> bool:
        return self._ref == other._ref if isinstance(other, ActorProxy) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._ref)

    def __reduce__(self) -> tuple[Any, ...]:
        names = None if self._method_names is None else sorted(self._method_names)
        return rebuild_proxy, (self._ref, names, self._async_methods, self._streams, self._class_name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(self._method_names or ())]

    def __repr__(self) -> str:
        label = self._ref.name or str(self._ref.actor_id)
        return f"ActorProxy({self._class_name}, {label})" if self._class_name else f"ActorProxy({label})"


def typed_proxy(ref: ActorRef, cls: Any) -> ActorProxy:
    """A proxy of `ref` that knows the methods of `cls`, a class or what `@remote` made of it."""
    inner = getattr(cls, "__wrapped__", cls)
    if not isinstance(inner, type):
        raise TypeError(f"a typed proxy is made for a class, not for {inner!r}")
    return proxy_of_table(ref, method_table(inner))


def proxy_of_table(ref: ActorRef, table: MethodTable) -> ActorProxy:
    """A proxy of `ref` with the methods of a table."""
    return rebuild_proxy(ref, table.names, table.async_names, table.stream_names, table.class_name)


def rebuild_proxy(
    ref: ActorRef,
    names: Collection[str] | None,
    async_methods: AbstractSet[str] | None,
    streams: frozenset[str],
    class_name: str | None,
) -> ActorProxy:
    """Make a proxy from its parts, as `__reduce__` gives them."""
    proxy = ActorProxy(ref, names, async_methods)
    proxy._streams = frozenset(streams)
    proxy._class_name = class_name
    return proxy


class RemoteMethod:
    """A method of an actor, ready to be called."""

    __slots__ = ("cell", "home", "name", "one_way", "ref", "timeout")

    def __init__(self, ref: ActorRef, name: str, timeout: float | None, one_way: bool) -> None:
        self.ref = ref
        self.name = name
        self.timeout = timeout
        self.one_way = one_way
        # Where calls may go straight into a mailbox: an ask, in time, of an actor that is known to be here.
        self.cell = None if one_way or (timeout is not None and timeout <= 0) else ref._cell
        # Where they may go straight to the router: the same of an actor that is known to be on another node.
        self.home = None if one_way or (timeout is not None and timeout <= 0) else ref.home_if_elsewhere()

    def __call__(self, *args: Any, **kwargs: Any) -> Call:
        # What a constructor would do, without the call of one: that is a third of what making a call costs.
        call: Call = _new(Call)
        call._method = self
        call.args = args
        call.kwargs = kwargs
        call.reply = None
        return call

    def __repr__(self) -> str:
        return f"<method {self.name} of {self.ref!r}>"


class StreamingMethod(RemoteMethod):
    """A method that is known to stream."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> StreamCall:  # type: ignore[override]
        call: StreamCall = _new(StreamCall)
        call._method = self
        call.args = args
        call.kwargs = kwargs
        call.reply = None
        return call


class UntypedMethod(RemoteMethod):
    """A name of which nothing is known yet: call it as a method, or await it to read an attribute."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, Any]:
        return self.ref.request(ATTRIBUTE + self.name, (), None, self.timeout).__await__()


class StreamCall(Envelope):
    """A call that has not been sent yet: await it for its value, or iterate over its items.

    It is the envelope of its own message. For an actor of this loop it goes into the mailbox as it is, and its `reply`
    is what the caller awaits, however often. It has no constructor: the method that makes it writes what a call has
    from the beginning, and most of an envelope is written when it is sent, if it ever is.
    """

    __slots__ = ("_items", "_method")

    _items: ItemIterator
    _method: RemoteMethod
    reply: Any

    def __await__(self) -> Generator[Any, None, Any]:
        reply = self.reply
        if reply is None:
            self.reply = _TAKEN_UP
            method = self._method
            cell = method.cell
            if cell is not None and cell.thread == get_ident() and cell.loop.is_running():
                self.target = cell.actor_id
                self.method = method.name
                self.timeout = method.timeout
                self.stream = False
                reply = cell.post(self)
            elif method.home is not None and at_home(method.home):
                self.target = method.ref.actor_id
                self.method = method.name
                self.timeout = method.timeout
                self.stream = False
                reply = elsewhere.post(method.home, self)
            else:
                reply = self.reply = self._send()
        iterator: Generator[Any, None, Any] = reply.__await__()
        return iterator

    def _send(self) -> Awaitable[Any]:
        method = self._method
        if method.one_way:
            return _awaitable_again(method.ref.send(method.name, self.args, self.kwargs))
        return method.ref.request(method.name, self.args, self.kwargs, method.timeout)

    def __aiter__(self) -> AsyncIterator[Any]:
        items = getattr(self, "_items", None)
        if items is None:
            self.reply = self.reply or _TAKEN_UP
            items = self._items = ItemIterator(self._method, self.args, self.kwargs or {})
        return items

    def __anext__(self) -> Awaitable[Any]:
        """The next item, as of an async generator: `await anext(proxy.items())`."""
        return self.__aiter__().__anext__()

    async def aclose(self) -> None:
        """Leave the stream now, as `contextlib.aclosing` does; the producer's `finally` runs."""
        self.reply = self.reply or _TAKEN_UP
        items = getattr(self, "_items", None)
        if items is not None:
            await items.aclose()

    def __del__(self) -> None:
        if self.reply is None:
            warnings.warn(
                f"call of {self._method.name!r} was never awaited: nothing was sent", RuntimeWarning, stacklevel=2
            )

    def __repr__(self) -> str:
        return f"<call of {self._method.name} of {self._method.ref!r}>"


class Call(StreamCall, Coroutine[Any, Any, Any]):
    """A call that can also be handed to `asyncio.create_task`, which takes nothing but coroutines."""

    __slots__ = ("_iterator",)

    def send(self, value: Any) -> Any:
        return self._steps().send(value)

    def throw(self, *error: Any) -> Any:
        if self.reply is None:
            self.reply = _TAKEN_UP
            raise error[0] if len(error) == 1 else error[1] or error[0]
        return self._steps().throw(*error)

    def close(self) -> None:
        self.reply = self.reply or _TAKEN_UP

    def _steps(self) -> Any:
        iterator = getattr(self, "_iterator", None)
        if iterator is None:
            iterator = self._iterator = self.__await__()
        return iterator


class _TakenUp:
    """The answer of a call that was taken up, but can no longer be awaited."""

    def __await__(self) -> Generator[Any, None, Any]:
        raise RuntimeError("this call has failed or was iterated over: make another one")


_TAKEN_UP = _TakenUp()


def _awaitable_again(sent: Awaitable[None]) -> Awaitable[None]:
    """What can be awaited once only becomes a task."""
    return asyncio.ensure_future(sent) if asyncio.iscoroutine(sent) else sent


class ItemIterator(AsyncIterator[Any]):
    """The items of a streaming call; sends the call at the first step."""

    __slots__ = ("_args", "_kwargs", "_method", "_opening", "_reader", "_step")

    def __init__(self, method: RemoteMethod, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._method = method
        self._args = args
        self._kwargs = kwargs
        self._opening = False
        self._reader: StreamReader | None = None
        self._step: Callable[[], Awaitable[Any]] | None = None

    async def __anext__(self) -> Any:
        step = self._step
        if step is None:
            reader = self._reader = await self._open()
            step = self._step = reader.step()
        return await step()

    async def aclose(self) -> None:
        """Leave now; the producer's `finally` runs."""
        if self._reader is not None:
            await self._reader.aclose()

    async def _open(self) -> StreamReader:
        if self._opening:
            raise RuntimeError("this stream is being read already")
        self._opening = True
        method = self._method
        try:
            answer = await method.ref.request(method.name, self._args, self._kwargs, method.timeout, True)
            if not isinstance(answer, StreamReader):
                raise TypeError(f"{method.name} does not stream")
        except BaseException:
            # As after any other error: nothing more comes, and nothing is asked again.
            self._step = _ended
            raise
        return answer


async def _ended() -> Any:
    raise StopAsyncIteration


__all__ = ["ActorProxy", "Call", "StreamCall", "proxy_of_table", "typed_proxy"]
