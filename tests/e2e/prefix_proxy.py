"""A proxy in front of a node: it takes a path away from the front of each request and says so in headers."""

from __future__ import annotations

import http.client
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"}


class PrefixProxy:
    """Serves what is at `target` under `prefix`, on a port of its own, while it is open."""

    def __init__(self, prefix: str) -> None:
        self.target = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, prefix))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}{prefix}"

    def __enter__(self) -> PrefixProxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(proxy: PrefixProxy, prefix: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(404)
                return
            target = urlsplit(proxy.target).netloc
            length = int(self.headers.get("Content-Length", 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            headers |= {"Host": target, "X-Forwarded-Host": self.headers["Host"], "X-Forwarded-Prefix": prefix}
            upstream = http.client.HTTPConnection(target, timeout=60)
            try:
                path = self.path.removeprefix(prefix)
                upstream.request(self.command, path, self.rfile.read(length) if length else None, headers)
                self._answer(upstream.getresponse())
            except OSError:
                pass  # one of the two sides went away, as browsers do with streams
            finally:
                upstream.close()

        def _answer(self, answer: http.client.HTTPResponse) -> None:
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            while chunk := answer.read1(65536):
                self.wfile.write(chunk)
                self.wfile.flush()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
