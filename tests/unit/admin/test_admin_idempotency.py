"""Which answers are kept for requests that are repeated."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response

from pulsing.admin.idempotency import MAX_BYTES, Repeats
from pulsing.admin.problems import ProblemError
from tests.unit.admin.admin_world import Hands

MIB = 1 << 20


def request(key: str, path: str = "/") -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"idempotency-key", key.encode())]
    return Request({"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}, receive)


class Acts:
    """Counts what was done; each answer has a number of bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.done = 0

    async def __call__(self) -> Response:
        self.done += 1
        return Response(bytes(self.size))


async def test_a_repeated_request_gets_the_answer_of_the_first() -> None:
    repeats, act = Repeats(Hands()), Acts(8)
    first = await repeats.once(request("k"), "a", act)
    assert await repeats.once(request("k"), "a", act) is first
    assert act.done == 1


async def test_large_answers_are_kept_as_far_as_there_is_room_the_newest_first() -> None:
    repeats, act, small = Repeats(Hands()), Acts(8 * MIB), Acts(0)
    await repeats.once(request("small"), "a", small)
    for number in range(10):
        await repeats.once(request(str(number)), "a", act)
    kept = MAX_BYTES // (8 * MIB)
    for number in range(10 - kept, 10):
        await repeats.once(request(str(number)), "a", act)
    await repeats.once(request("small"), "a", small)
    assert (act.done, small.done) == (10, 1)
    await repeats.once(request("0"), "a", act)
    assert act.done == 11


async def test_what_failed_is_not_kept() -> None:
    repeats, act = Repeats(Hands()), Acts(8)

    async def fail() -> Response:
        raise ProblemError("internal", "no")

    for _ in range(2):
        with pytest.raises(ProblemError):
            await repeats.once(request("k"), "a", fail)
    await repeats.once(request("k"), "a", act)
    assert act.done == 1
