"""An admin app over a real system, and clients of it with any role, for tests."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI

import pulsing as pul
from pulsing.admin.app import create_admin_app
from pulsing.admin.plane import Plane
from pulsing.admin.settings import AdminSettings, NamedToken, Role

BASE = "http://127.0.0.1:8700"
API = "/api/v1"
TOKENS: dict[Role, str] = {
    "viewer": "viewer-token-0123456789",
    "operator": "operator-token-0123456789",
    "admin": "admin-token-0123456789",
}
NAMED = tuple(NamedToken.of(role, role, token) for role, token in TOKENS.items())


class CounterActor:
    """Counts what it is told.

    Args:
        value: where to begin
    """

    def __init__(self, value: int = 0) -> None:
        self.value = value

    def incr(self, by: int = 1) -> int:
        """Add `by` and give the sum.

        Args:
            by: how much
        """
        self.value += by
        return self.value

    def echo(self, value: Any) -> Any:
        """Give back what was given."""
        return value

    def fail(self, text: str) -> None:
        """Raise a ValueError."""
        raise ValueError(text)

    async def items(self, n: int) -> Any:
        """Stream numbers."""
        for number in range(n):
            yield number


Counter: Any = pul.remote(CounterActor)
COUNTER = f"{__name__}.CounterActor"


class Listener(pul.Actor):
    """Answers every message with the message."""

    async def receive(self, msg: Any) -> Any:
        return {"heard": msg}


@dataclass
class Site:
    """What a test works with."""

    system: Any
    app: FastAPI
    clients: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def plane(self) -> Plane:
        plane: Plane = self.app.state.plane
        return plane

    async def client(self, role: Role | None = "admin", **headers: str) -> httpx.AsyncClient:
        """A client with the token of a role, or with none."""
        given = {"Authorization": f"Bearer {TOKENS[role]}"} if role else {}
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        made = httpx.AsyncClient(transport=transport, base_url=BASE, headers={**given, **headers})
        return await self.clients.enter_async_context(made)


class Hands:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def site(**settings: Any) -> AsyncIterator[Site]:
    """A system with an admin app."""
    async with await pul.actor_system() as system:
        made = Site(system, create_admin_app(system, AdminSettings(**{"tokens": NAMED, **settings})))
        try:
            yield made
        finally:
            await made.clients.aclose()
            await made.plane.close()
