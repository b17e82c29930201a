"""What every store of queues promises, as tests of a store of one's own.

Each test has a store of its own, made as a bucket makes it, in a folder of its own.
"""

from __future__ import annotations

import asyncio
import inspect
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from pulsing.streaming.backend import ManageableBackend, StorageBackend

DEADLINE_S = 30.0
"""How long one test may take; a store that waits for ever fails by it."""
_PAUSE_S = 0.02
"""How long streams wait for what does not come."""

Open = Callable[[], Any]
"""Makes a store at the test's place, an async context manager; once more for the same records."""
Check = Callable[[Open], Awaitable[None]]

_CHECKS: dict[str, Check] = {}
"""All that is asked of every store, by name."""
_DURABLE_CHECKS: dict[str, Check] = {}
"""What is asked of those that keep their records, too."""


class BackendConformance:
    """Tests to inherit: `backend_class` names the store. They are plain functions, so any test framework runs them.

        class TestMyStore(BackendConformance):
            backend_class = MyStore

    A store is made as `backend_class(bucket_id=, storage_path=, batch_size=, **backend_options)`, and where it has the
    coroutines `open` and `close`, those are called at both ends. What only some stores have (`ManageableBackend`) is
    tested where it is there.
    """

    backend_class: type[Any]
    backend_options: Mapping[str, Any] = {}
    """further arguments of it"""
    durable = False
    """whether records are there again for the next store at the same place"""


async def check_backend(cls: type[Any], **options: Any) -> None:
    """Run the tests without a framework: all but those of durable stores, one after the other.

    Args:
        cls: the class of the store.
        options: further arguments of it.

    Raises:
        AssertionError: names the test that the store fails first; its cause is what was raised.
    """
    for name, check in _CHECKS.items():
        try:
            await _run(check, cls, options)
        except Exception as error:
            said = str(error).partition("\n")[0] or type(error).__name__
            raise AssertionError(f"{cls.__name__} fails {name}: {said}") from error


def _test(check: Check) -> Check:
    """Make a check one of the tests of every store."""
    _add(check, _CHECKS)
    return check


def _durable_test(check: Check) -> Check:
    """Make a check one of the tests of stores that keep their records."""
    _add(check, _DURABLE_CHECKS)
    return check


def _add(check: Any, to: dict[str, Check]) -> None:
    name = f"test_{check.__name__}"
    to[name] = check

    def test(self: BackendConformance) -> None:
        if to is _CHECKS or self.durable:
            asyncio.run(_run(check, self.backend_class, self.backend_options))

    test.__name__, test.__qualname__ = name, f"{BackendConformance.__name__}.{name}"
    test.__doc__ = check.__doc__
    setattr(BackendConformance, name, test)


async def _run(check: Check, cls: type[Any], options: Mapping[str, Any]) -> None:
    with tempfile.TemporaryDirectory(prefix="pulsing-store-") as folder:

        @asynccontextmanager
        async def open_store() -> AsyncIterator[Any]:
            store = cls(bucket_id=0, storage_path=folder, batch_size=100, **options)
            try:
                await _do(store, "open")
                yield store
            finally:
                await _do(store, "close")

        try:
            await asyncio.wait_for(check(open_store), DEADLINE_S)
        except asyncio.TimeoutError:
            raise AssertionError(f"it is not over within {DEADLINE_S:g} s") from None


async def _do(store: Any, name: str) -> None:
    done = getattr(store, name)() if hasattr(store, name) else None
    if inspect.isawaitable(done):
        await done


def _can_give_up(store: Any) -> bool:
    return isinstance(store, ManageableBackend)


def _rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"n": number} for number in numbers]


def _equal(found: Any, wanted: Any, what: str) -> None:
    assert found == wanted, f"{what}: {found!r}, not {wanted!r}"


@_test
async def it_has_the_seven_methods(open_store: Open) -> None:
    """`put`, `put_batch`, `get`, `get_stream`, `flush`, `stats` and `total_count`."""
    async with open_store() as store:
        methods = ("put", "put_batch", "get", "get_stream", "flush", "stats", "total_count")
        missing = [name for name in methods if not callable(getattr(store, name, None))]
        assert isinstance(store, StorageBackend), f"it has no {', '.join(missing)}"


@_test
async def offsets_are_dense_from_zero(open_store: Open) -> None:
    """Records have the offsets 0, 1, 2, … in the order in which they were put, one by one or together."""
    async with open_store() as store:
        _equal(store.total_count(), 0, "total_count of an empty store")
        _equal(await store.get(10, 0), [], "what is read of an empty store")
        await store.put({"n": 0})
        await store.put_batch(_rows(1, 2, 3))
        await store.put({"n": 4})
        _equal(store.total_count(), 5, "total_count")
        _equal(await store.get(100, 0), _rows(0, 1, 2, 3, 4), "all records")


@_test
async def reads_begin_anywhere(open_store: Open) -> None:
    """A read gives what is from its offset on, up to its limit, and nothing beyond the end."""
    async with open_store() as store:
        await store.put_batch(_rows(*range(250)))
        _equal(await store.get(2, 1), _rows(1, 2), "two from 1 on")
        _equal(await store.get(10, 248), _rows(248, 249), "ten from 248 on")
        _equal(await store.get(1, 249), _rows(249), "the last one")
        _equal(await store.get(10, 250), [], "what is beyond the end")
        _equal(await store.get(10, 10_000), [], "what is far beyond the end")
        _equal(len(await store.get(1_000, 0)), 250, "the number of all")


@_test
async def records_come_back_as_they_were_put(open_store: Open) -> None:
    """Texts, numbers, lists and dicts, nested ones too."""
    record = {"text": "ä\n\0", "int": -1, "float": 0.5, "yes": True, "none": None, "deep": [{"x": {"y": [1, []]}}]}
    async with open_store() as store:
        await store.put(record)
        _equal(await store.get(1, 0), [record], "a record")


@_test
async def writers_at_once_get_an_offset_each(open_store: Open) -> None:
    """No record is lost or there twice, and each writer's own are in its order."""
    async with open_store() as store:

        async def write(writer: int) -> None:
            for number in range(20):
                await store.put({"writer": writer, "n": number})

        await asyncio.gather(*(write(writer) for writer in range(8)))
        records = await store.get(1_000, 0)
        _equal((len(records), store.total_count()), (160, 160), "records and total_count")
        for writer in range(8):
            of_one = [record["n"] for record in records if record["writer"] == writer]
            _equal(of_one, list(range(20)), f"those of writer {writer}")


@_test
async def a_stream_gives_lists_of_up_to_a_hundred(open_store: Open) -> None:
    """Until its limit, or the end of the records."""
    async with open_store() as store:
        await store.put_batch(_rows(*range(250)))
        limited = [one async for one in store.get_stream(230, 5)]
        _equal([record for one in limited for record in one], _rows(*range(5, 235)), "230 from 5 on")
        assert max(len(one) for one in limited) <= 100, "a list of a stream has more than 100 records"
        assert all(limited), "a list of a stream is empty"
        rest = [record async for one in store.get_stream(1_000, 200) for record in one]
        _equal(rest, _rows(*range(200, 250)), "all from 200 on")


@_test
async def a_stream_ends_when_nothing_comes(open_store: Open) -> None:
    """Without `wait` at the end; with it after the timeout; a timeout of 0 is no waiting."""
    async with open_store() as store:
        await store.put({"n": 0})
        for options in ({}, {"wait": False}, {"wait": True, "timeout": 0}, {"wait": True, "timeout": _PAUSE_S}):
            found = [one async for one in store.get_stream(5, 0, **options)]
            _equal(found, [_rows(0)], f"a stream with {options}")


@_test
async def a_stream_that_waits_is_woken_by_a_put(open_store: Open) -> None:
    """And goes on waiting with a timeout of None."""
    async with open_store() as store:
        stream = store.get_stream(2, 0, wait=True)
        for number in range(2):
            coming = asyncio.ensure_future(anext(stream))
            try:
                await asyncio.sleep(_PAUSE_S)
                assert not coming.done(), "a stream that is to wait does not"
                await store.put({"n": number})
                _equal(await coming, _rows(number), "what a waiting stream gives")
            finally:
                coming.cancel()
        assert await anext(stream, None) is None, "a stream goes on beyond its limit"


@_test
async def it_tells_figures_and_flushes(open_store: Open) -> None:
    """`flush` gives nothing, `stats` a dict, `total_count` a number at once."""
    async with open_store() as store:
        await store.put({"n": 0})
        _equal(await store.flush(), None, "what flush gives")
        assert isinstance(await store.stats(), dict), "stats is no dict"
        assert type(store.total_count()) is int, "total_count is no number: it may not be a coroutine"


@_test
async def what_is_given_up_keeps_its_offsets(open_store: Open) -> None:
    """Of stores that can give up old records: no offset changes, and none is given again."""
    async with open_store() as store:
        if not _can_give_up(store):
            return
        await store.put_batch(_rows(0, 1, 2, 3))
        _equal(await store.trim(2), 2, "the number that trim tells")
        _equal(await store.get(10, 2), _rows(2, 3), "what is left after trim")
        bounds = await store.bounds()
        _equal((bounds["earliest"], bounds["next"], bounds["records"]), (2, 4, 2), "earliest, next and records")
        _equal(await store.clear_all(), 2, "the number that clear_all tells")
        await store.put({"n": 4})
        _equal(await store.get(10, 4), _rows(4), "what was put after clear_all")
        _equal(store.total_count(), 5, "total_count after clear_all")


@_durable_test
async def records_are_there_for_the_next_store(open_store: Open) -> None:
    """With their offsets, which go on."""
    async with open_store() as store:
        await store.put_batch(_rows(0, 1))
        await store.flush()
    async with open_store() as store:
        _equal(store.total_count(), 2, "total_count of the next store")
        await store.put({"n": 2})
        _equal(await store.get(10, 0), _rows(0, 1, 2), "all records of both")
