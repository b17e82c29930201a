"""The admin plane's REST interface as commands see it: JSON values, or one error with the right exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pulsing.cli.errors import FAILED, NOT_ALLOWED, NOT_FOUND, TIMED_OUT, USAGE, CliError
from pulsing.cli.text import to_json
from pulsing.logs import one_line

if TYPE_CHECKING:
    import httpx

Parameters = Mapping[str, Any] | Sequence[tuple[str, Any]]

_EXIT_CODES = {
    400: USAGE,
    422: USAGE,
    401: NOT_ALLOWED,
    403: NOT_ALLOWED,
    404: NOT_FOUND,
    410: NOT_FOUND,
    504: TIMED_OUT,
}

_OVER_IN_TIME = "/problems/join-timeout"
"""Its status is that of a node which cannot do it now."""

_AN_ENDPOINT = "an endpoint looks like http://127.0.0.1:8700"

_HOW_TO_LOG_IN = "use --token-file FILE or PULSING_ADMIN_TOKEN"


@dataclass(frozen=True)
class ServerEvent:
    """One frame of an event stream."""

    event: str
    data: Any
    id: str | None = None


def segment(name: str) -> str:
    """A name as one segment of a path: `~` stands for its slashes."""
    return quote(name.replace("/", "~"), safe="~:")


class Client:
    """A connection to one node's admin plane."""

    def __init__(self, endpoint: str, token: str | None, timeout: float) -> None:
        # The command line that httpx has of its own would be loaded with it, and rich for that: a third of its time.
        sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
        import httpx

        self.endpoint = endpoint
        self._timeout = timeout
        try:
            self._http = httpx.Client(
                base_url=f"{endpoint}/api/v1/",
                headers={"Authorization": f"Bearer {token}"} if token else {},
                timeout=timeout,
                # A proxy for the web is no way to a node on this machine.
                trust_env=False,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise CliError(f"{endpoint!r} is no URL: {error}", hint=_AN_ENDPOINT, exit_code=USAGE) from error

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, params: Parameters | None = None) -> Any:
        """The JSON value at a path."""
        return self.request("GET", path, params=params)

    def text(self, path: str, params: Parameters | None = None) -> str:
        """The text at a path from the root of the admin plane."""
        with self._faults(None):
            response = self._http.get(f"{self.endpoint}/{path}", params=_query(params))
        _raise_for_problem(response)
        return response.text

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Parameters | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        accepted: tuple[int, ...] = (),
    ) -> Any:
        """Send a request and return its JSON value, None where there is none.

        Args:
            method, path, params, body, headers: the request.
            timeout: seconds, where it is not that of the connection.
            accepted: statuses from 400 on whose body is an answer.

        Raises:
            CliError: the node cannot be reached, takes too long, or refuses.
        """
        with self._faults(timeout):
            response = self._http.request(
                method,
                path,
                params=_query(params),
                json=body,
                headers=_in_utf8(headers),
                timeout=timeout or self._timeout,
            )
        if response.status_code not in accepted:
            _raise_for_problem(response)
        return self._json(response) if response.content else None

    def call(self, path: str, body: Any, headers: Mapping[str, str] | None, timeout: float) -> Iterator[ServerEvent]:
        """What a call gives, as it comes: items of a stream, or one frame `answer` that holds the whole."""
        accept = {"Accept": "text/event-stream", **(headers or {})}
        with (
            self._faults(timeout),
            self._http.stream("POST", path, json=body, headers=_in_utf8(accept), timeout=timeout) as response,
        ):
            if response.headers.get("Content-Type", "").startswith("text/event-stream"):
                yield from read_events(response.iter_lines())
                return
            response.read()
            _raise_for_problem(response)
            yield ServerEvent("answer", self._json(response))

    def events(
        self, path: str, params: Parameters | None = None, *, last_id: str | None = None
    ) -> Iterator[ServerEvent]:
        """The frames of an event stream, after that of `last_id` if it is given, until the node ends it."""
        import httpx

        timeout = httpx.Timeout(self._timeout, read=None)
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
        with (
            self._faults(None),
            self._http.stream("GET", path, params=_query(params), headers=headers, timeout=timeout) as response,
        ):
            if response.status_code >= 400:
                response.read()
            _raise_for_problem(response)
            yield from read_events(response.iter_lines())

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            detail = f"what answers at {self.endpoint} is no node of Pulsing"
            raise CliError(detail, hint=_AN_ENDPOINT) from error

    @contextmanager
    def _faults(self, timeout: float | None) -> Iterator[None]:
        import httpx

        try:
            yield
        except httpx.TimeoutException as error:
            raise CliError(
                f"no answer from {self.endpoint} in {timeout or self._timeout:g} s", exit_code=TIMED_OUT
            ) from error
        except httpx.InvalidURL as error:
            raise CliError(f"{self.endpoint!r} is no URL: {error}", hint=_AN_ENDPOINT, exit_code=USAGE) from error
        except httpx.TransportError as error:
            raise CliError(
                f"no node answers at {self.endpoint}: {error}",
                hint="start one with `pulsing serve` or `pulsing demo`, or name another with --endpoint URL",
            ) from error


def read_events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    """Put the lines of an event stream together to frames; comments are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
        elif "data" in fields:
            yield ServerEvent(fields.get("event", "message"), json.loads(fields["data"]), fields.get("id"))
            fields = {}


def _in_utf8(headers: Mapping[str, str] | None) -> httpx.Headers | None:
    """Headers whose text may be in any script, where httpx by itself knows ASCII alone."""
    import httpx

    return None if headers is None else httpx.Headers(dict(headers), encoding="utf-8")


def _query(params: Parameters | None) -> list[tuple[str, Any]]:
    if params is None:
        return []
    pairs = params.items() if isinstance(params, Mapping) else params
    return [(name, value) for name, value in pairs if value is not None]


def _hint_of(problem: Mapping[str, Any]) -> str | None:
    """What to do about a problem in terms of commands, which take an id where a name does not do."""
    if candidates := problem.get("candidates"):
        return f"name one by its id: {', '.join(str(one['id']) for one in candidates[:5])}"
    hint: str | None = problem.get("hint")
    return hint


def _raise_for_problem(response: httpx.Response) -> None:
    if response.status_code < 400:
        return
    exit_code = _EXIT_CODES.get(response.status_code, FAILED)
    try:
        problem = response.json()
        detail = problem.get("detail") or problem.get("title") or f"status {response.status_code}"
    except (ValueError, AttributeError):
        hint = f"{_AN_ENDPOINT}; a node shows its own as `admin`" if response.status_code == 404 else None
        raise CliError(f"{response.url} answered {response.status_code}", hint=hint, exit_code=exit_code) from None
    if problem.get("type") == _OVER_IN_TIME:
        exit_code = TIMED_OUT
    hint = _HOW_TO_LOG_IN if response.status_code == 401 else _hint_of(problem)
    # The detail often tells what the faults are.
    faults = [fault for fault in problem.get("errors") or [] if fault["msg"] not in detail]
    listed = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults]
    if str(problem.get("type")).endswith("/validation") and listed:
        # Its detail only says once more where the faults are.
        told = "; ".join(one.removeprefix("body.") for one in listed)
    else:
        told = "; ".join([detail, *listed])
    whole = to_json(problem, indent=2)
    raise CliError(one_line(told), hint=hint and one_line(hint), exit_code=exit_code, more=whole)
