"""A language model's endpoint on loopback that answers as a test wants, well or badly."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal


@dataclass(frozen=True)
class FakeAnswer:
    """How the endpoint answers one request."""

    content: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    ends: Literal["whole", "cut", "early", "garbled"] = "whole"
    """how a reply ends: as it should; with the connection torn; in good order, before the model has finished; or with
    what is no JSON. Only "whole" and "garbled" make sense for a reply that is not streamed."""


@dataclass(frozen=True)
class Request:
    """What the endpoint was asked."""

    path: str
    headers: Mapping[str, str]
    """by names in lower case"""
    body: Mapping[str, Any]


class FakeLLM:
    """An endpoint that speaks OpenAI's chat protocol; a context manager that serves in a thread of its own.

        with FakeLLM("Hello", FakeAnswer(status=503), "Again") as fake:
            chat = await llm(base_url=fake.base_url, api_key=fake.api_key)

    Args:
        answers: one for each request, in order: a text, or a `FakeAnswer`. After the last one the endpoint repeats
            what the user said.
    """

    api_key = "sk-fake-0123456789"

    def __init__(self, *answers: str | FakeAnswer) -> None:
        self._answers = deque(FakeAnswer(one) if isinstance(one, str) else one for one in answers)
        self._requests: list[Request] = []
        self._server: _Server | None = None
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        """Where it listens, for `base_url=` or `OPENAI_BASE_URL`."""
        if self._server is None:
            raise RuntimeError("the endpoint listens within its with block only")
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def requests(self) -> list[Request]:
        """What it was asked so far."""
        return list(self._requests)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return 0 if self._server is None else len(self._server.connections)

    def __enter__(self) -> FakeLLM:
        self._server = _Server(self)
        self._server.start()
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        self._server = None

    def _answer(self, request: Request) -> FakeAnswer:
        with self._lock:
            self._requests.append(request)
            if self._answers:
                return self._answers.popleft()
        return FakeAnswer(str(request.body["messages"][-1]["content"]))


class _Server(ThreadingHTTPServer):
    """Serves until it is closed, and then waits for nobody's idle connection."""

    daemon_threads = False

    def __init__(self, fake: FakeLLM) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fake = fake
        self.connections: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), name="fake-llm")

    def start(self) -> None:
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client may leave in the middle of a stream; anything else is a fault of this file.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The other end was quicker.
                pass
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: _Server
    protocol_version = "HTTP/1.1"
    # A stream of small writes must not wait for the other end's acknowledgements.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.fake._answer(Request(self.path, headers, body))
        if self.path != "/v1/chat/completions":
            answer = FakeAnswer("no such path", 404)
        if answer.status != 200:
            self._send_whole(answer, json.dumps({"error": {"message": answer.content or "as the test wants"}}))
        elif body.get("stream"):
            self._send_stream(answer, body)
        else:
            self._send_whole(answer, _completion(answer, body))

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""

    def _send_whole(self, answer: FakeAnswer, text: str) -> None:
        payload = text.encode()
        self._send_head(answer, {"content-type": "application/json", "content-length": str(len(payload))})
        self.wfile.write(payload)

    def _send_stream(self, answer: FakeAnswer, body: Mapping[str, Any]) -> None:
        self._send_head(answer, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        for word in re.findall(r"\s*\S+|\s+$", answer.content):
            self._send_event(_chunk({"content": word}, None, body))
        if answer.ends == "cut":
            self.close_connection = True
            return
        if answer.ends == "garbled":
            self._send_event('{"choices": [')
        if answer.ends == "whole":
            self._send_event(_chunk({}, "stop", body))
            if (body.get("stream_options") or {}).get("include_usage"):
                self._send_event(json.dumps({**json.loads(_chunk({}, None, body)), "choices": [], "usage": _USAGE}))
            self._send_event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, answer: FakeAnswer, headers: Mapping[str, str]) -> None:
        self.send_response(answer.status)
        for name, value in {**headers, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))


_USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def _completion(answer: FakeAnswer, body: Mapping[str, Any]) -> str:
    message = {"role": "assistant", "content": answer.content}
    completion = {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _USAGE,
    }
    text = json.dumps(completion)
    return text[: len(text) // 2] if answer.ends == "garbled" else text


def _chunk(delta: Mapping[str, Any], finish_reason: str | None, body: Mapping[str, Any]) -> str:
    return json.dumps(
        {
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
        }
    )
