"""What the network itself costs, beside what the link adds: echoes between two processes on loopback.

Run `python benchmarks/floors.py`; it prints a table, or JSON with `--json`. Every figure is the median of
`--rounds` rounds, and the rounds of all contestants alternate, so that a busy moment of the machine hits all alike.

| contestant | what it is |
|---|---|
| tcp | `asyncio.Protocol`, no framing |
| websockets | the asyncio API of `websockets`, compression off |
| link | `pulsing.transport`, proven by a token |
| link+tls | the same with TLS 1.3 |
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection as Pipe
from typing import Any, cast

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from pulsing.ids import NodeId
from pulsing.node.credentials import Credentials, Mode, Secret
from pulsing.node.gate import LinkGate
from pulsing.transport import Connection
from pulsing.transport.websocket import WebSocketTransport
from pulsing.wire.handshake import Terms

MAX_SIZE = 16 * 1024 * 1024

Exchange = Callable[[bytes, int], Awaitable[None]]
"""Send the payload and wait for its echo, so many times, one at a time."""


class TcpEcho(asyncio.Protocol):
    """Sends back what it gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class TcpCounter(asyncio.Protocol):
    """Sends a payload each time the last one is back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    async def exchange(self, payload: bytes, times: int) -> None:
        for _ in range(times):
            self.missing = len(payload)
            self.back = asyncio.get_running_loop().create_future()
            self.transport.write(payload)
            await self.back

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        if not self.missing:
            self.back.set_result(None)


class LinkEcho:
    """Sends back what it gets."""

    def __init__(self, connection: Connection) -> None:
        self.on_message = connection.send

    def on_lost(self, error: Exception | None) -> None: ...

    def on_blocked(self) -> None: ...

    def on_writable(self) -> None: ...


class LinkCounter:
    """Sends a payload each time the last one is back."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def exchange(self, payload: bytes, times: int) -> None:
        for _ in range(times):
            self.back = asyncio.get_running_loop().create_future()
            self.connection.send(payload)
            await self.back

    def on_message(self, data: bytes | bytearray) -> None:
        self.back.set_result(None)

    def on_lost(self, error: Exception | None) -> None: ...

    def on_blocked(self) -> None: ...

    def on_writable(self) -> None: ...


def transport(mode: Mode) -> WebSocketTransport:
    return WebSocketTransport(LinkGate(Credentials(mode, [Secret(bytes(32))]), NodeId(), Terms()))


async def serve_tcp() -> str:
    server = await asyncio.get_running_loop().create_server(TcpEcho, "127.0.0.1", 0)
    return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def serve_websockets() -> str:
    async def echo(socket: Any) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await socket.send(await socket.recv())

    server = await serve(echo, "127.0.0.1", 0, compression=None, max_size=MAX_SIZE, ping_interval=None)
    return f"127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def serve_link(mode: Mode) -> str:
    return (await transport(mode).listen("127.0.0.1:0", LinkEcho)).addr


@asynccontextmanager
async def use_tcp(addr: str) -> AsyncIterator[Exchange]:
    host, port = addr.split(":")
    _, counter = await asyncio.get_running_loop().create_connection(TcpCounter, host, int(port))
    yield counter.exchange
    counter.transport.abort()


@asynccontextmanager
async def use_websockets(addr: str) -> AsyncIterator[Exchange]:
    async with connect(f"ws://{addr}/", compression=None, max_size=MAX_SIZE, ping_interval=None) as socket:

        async def exchange(payload: bytes, times: int) -> None:
            for _ in range(times):
                await socket.send(payload)
                await socket.recv()

        yield exchange


@asynccontextmanager
async def use_link(addr: str, mode: Mode) -> AsyncIterator[Exchange]:
    counters: list[LinkCounter] = []

    def attach(connection: Connection) -> LinkCounter:
        counters.append(LinkCounter(connection))
        return counters[0]

    connection = await transport(mode).dial(addr, attach)
    yield counters[0].exchange
    connection.abort()


SERVERS: dict[str, Callable[[], Awaitable[str]]] = {
    "tcp": serve_tcp,
    "websockets": serve_websockets,
    "link": lambda: serve_link("token"),
    "link+tls": lambda: serve_link("passphrase"),
}
USERS: dict[str, Callable[[str], Any]] = {
    "tcp": use_tcp,
    "websockets": use_websockets,
    "link": lambda addr: use_link(addr, "token"),
    "link+tls": lambda addr: use_link(addr, "passphrase"),
}


def echo_process(pipe: Pipe, loop: str) -> None:
    """Serve all echoes until the parent is gone."""

    async def main() -> None:
        pipe.send({name: await server() for name, server in SERVERS.items()})
        await asyncio.get_running_loop().run_in_executor(None, pipe.poll, None)

    run(main(), loop)


def run(work: Any, loop: str) -> Any:
    if loop == "uvloop":
        import uvloop

        return uvloop.run(work)
    return asyncio.run(work)


async def measure(addresses: dict[str, str], size: int, seconds: float, rounds: int) -> dict[str, float]:
    """Round trips a second of each contestant, for one size."""
    payload, rates = bytes(size), {name: list[float]() for name in USERS}
    async with contextlib.AsyncExitStack() as stack:
        exchanges = {name: await stack.enter_async_context(user(addresses[name])) for name, user in USERS.items()}
        for exchange in exchanges.values():
            await exchange(payload, 3)
        for _ in range(rounds):
            for name, exchange in exchanges.items():
                rates[name].append(await rate(exchange, payload, seconds))
    return {name: statistics.median(values) for name, values in rates.items()}


async def rate(exchange: Exchange, payload: bytes, seconds: float) -> float:
    times, started = 0, time.perf_counter()
    step = 50 if len(payload) < 100_000 else 1
    while (elapsed := time.perf_counter() - started) < seconds:
        await exchange(payload, step)
        times += step
    return times / elapsed


async def handshakes(addresses: dict[str, str], count: int) -> dict[str, float]:
    """Connections a second, one at a time: dialled, proven and dropped."""
    rates = {}
    modes: dict[str, Mode] = {"link": "token", "link+tls": "passphrase"}
    for name, mode in modes.items():
        dialler = transport(mode)
        (await dialler.dial(addresses[name], LinkEcho)).abort()
        started = time.perf_counter()
        for _ in range(count):
            (await dialler.dial(addresses[name], LinkEcho)).abort()
        rates[name] = count / (time.perf_counter() - started)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="of one round of one contestant")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 65536, 4 * 1024 * 1024])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    near, far = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=echo_process, args=(far, options.loop), daemon=True)
    process.start()
    addresses = near.recv()
    echoes = {
        size: run(measure(addresses, size, options.seconds, options.rounds), options.loop) for size in options.sizes
    }
    opened = run(handshakes(addresses, 100), options.loop)
    near.send(None)
    process.join(5)
    report(echoes, opened, as_json=options.json)


def report(echoes: dict[int, dict[str, float]], opened: dict[str, float], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"round_trips_per_s": echoes, "handshakes_per_s": opened}))
        return
    for size, rates in echoes.items():
        floor = rates["websockets"]
        print(
            f"{size:>8} bytes  "
            + "  ".join(f"{name} {rate:,.0f}/s ({rate / floor:.2f})" for name, rate in rates.items())
        )
    print("handshakes      " + "  ".join(f"{name} {rate:,.0f}/s" for name, rate in opened.items()))


if __name__ == "__main__":
    main()
