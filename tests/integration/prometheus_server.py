"""A real Prometheus, and questions to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx


@contextlib.asynccontextmanager
async def prometheus(folder: Path, config: str) -> AsyncIterator[httpx.AsyncClient]:
    """Prometheus over a configuration, and a client of its API."""
    (folder / "prometheus.yml").write_text(config)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}/api/v1") as client:
            yield client
    finally:
        process.terminate()
        await process.wait()


async def answers(client: httpx.AsyncClient, query: str, value: float) -> None:
    """Wait until a query has this value."""
    deadline = asyncio.get_running_loop().time() + 40
    while (last := await _value_of(client, query)) != value:
        assert asyncio.get_running_loop().time() < deadline, f"{query} is {last}, not {value}"
        await asyncio.sleep(0.2)


async def _value_of(client: httpx.AsyncClient, query: str) -> float | None:
    """The one value of a query; None where there is no answer yet."""
    with contextlib.suppress(httpx.TransportError):
        response = await client.get("/query", params={"query": query})
        if response.status_code == 200 and (found := response.json()["data"]["result"]):
            return float(found[0]["value"][1])
    return None
