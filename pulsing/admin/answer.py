"""An answer on its way out: every one has the security headers, and one to HEAD has no body."""

from __future__ import annotations

import secrets

from starlette.types import Message, Send

from pulsing.admin.problems import ProblemError
from pulsing.admin.routing import API
from pulsing.admin.visit import Visit

SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; "
        b"require-trusted-types-for 'script'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class HeadIsComplete(OSError):
    """Ends the body of an answer to HEAD."""


class Answer:
    """Passes an answer on, with the headers that every answer has."""

    def __init__(self, send: Send, visit: Visit) -> None:
        self._send = send
        self._visit = visit
        self.status: int | None = None
        self.headers_only = False
        self._ended = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._send({**message, "headers": [*message.get("headers", []), *self._common(message)]})
        elif self.headers_only and message["type"] == "http.response.body":
            if not self._ended:
                self._ended = True
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            if message.get("more_body"):
                raise HeadIsComplete
        else:
            await self._send(message)

    async def problem(self, problem: ProblemError) -> None:
        """Answer with a problem, unless an answer has begun."""
        if self.status is not None:
            return
        body = problem.encode(self._visit.path, self._visit.trace_id)
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in problem.all_headers().items()]
        headers.append((b"content-length", str(len(body)).encode()))
        self.headers_only = self._visit.method == "HEAD"
        await self({"type": "http.response.start", "status": problem.kind.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})

    async def empty(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Answer without a body."""
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": b""})

    def _common(self, start: Message) -> list[tuple[bytes, bytes]]:
        given = {name.lower() for name, _ in start.get("headers", [])}
        common = list(SECURITY_HEADERS)
        if self._visit.path.startswith((API, "/metrics")):
            common.append((b"cache-control", b"no-store"))
        common.append(
            (b"traceparent", f"00-{self._visit.trace_id}-{secrets.token_hex(8)}-{self._visit.trace[24]:02x}".encode())
        )
        return [(name, value) for name, value in common if name not in given]
