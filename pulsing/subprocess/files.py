"""The caller's ends of the pipes of a process on a node: raw files, for the buffers and texts of the standard library.

Bytes come on the loop of the caller's system and are taken by its threads. No more of them wait than a pipe would hold.
"""

from __future__ import annotations

import asyncio
import errno
import io
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

ROOM = 1 << 20
"""Bytes that may wait for a thread before nothing more is taken from the stream."""
WRITE_BYTES = 256 << 10
"""So many are sent in one message."""
QUIET_S = 1.0
"""After the end of a process, how long silence on its output means that there is nothing more to come."""


class Inbox:
    """Hands bytes from a loop to threads, and makes the loop wait while there are too many."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._over = False
        self._error: BaseException | None = None
        self._room = asyncio.Event()
        self.closed = False
        """whether nobody takes any more"""

    async def put(self, chunk: bytes) -> bool:
        """Add bytes, and wait for room for more; False when nobody takes any more."""
        with self._changed:
            self._chunks.append(chunk)
            self._size += len(chunk)
            self._changed.notify()
            if self._size < ROOM:
                return not self.closed
            self._room.clear()
        await self._room.wait()
        return not self.closed

    def finish(self, error: BaseException | None = None) -> None:
        """Nothing more comes, because of `error` if one is given."""
        with self._changed:
            self._over, self._error = True, self._error or error
            self._changed.notify_all()

    def take(self) -> bytes:
        """Wait for bytes; none at the end.

        Raises:
            the error that it was finished with.
        """
        with self._changed:
            while not self._chunks and not self._over and not self.closed:
                self._changed.wait()
            if not self._chunks:
                if self._error is not None and not self.closed:
                    raise self._error
                return b""
            chunk = self._chunks.popleft()
            was_full, self._size = self._size >= ROOM, self._size - len(chunk)
        if was_full and self._size < ROOM:
            self._wake()
        return chunk

    def close(self) -> None:
        """Take nothing more."""
        with self._changed:
            self.closed = True
            self._chunks.clear()
            self._changed.notify_all()
        self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._room.set)
        except RuntimeError:
            pass  # the loop is closed, and nobody waits there


class FarOutput(io.RawIOBase):
    """What a process on a node writes.

    Args:
        inbox: where it comes in.
        hold: kept, so that the process is not let go of while this is open.
    """

    def __init__(self, inbox: Inbox, hold: object) -> None:
        self._inbox = inbox
        self._hold = hold
        self._rest = memoryview(b"")
        self._is_lent = False

    def readable(self) -> bool:
        return True

    def lend(self) -> tuple[Inbox, object]:
        """What comes in and the hold, for another reader, whom closing this file leaves in peace.

        Raises:
            ValueError: it is closed.
        """
        if self.closed:
            raise ValueError("I/O operation on closed file")
        self._is_lent = True
        return self._inbox, self._hold

    def readinto(self, buffer: Any) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        data = self._rest or memoryview(self._inbox.take())
        size = min(len(data), len(buffer))
        buffer[:size] = data[:size]
        self._rest = data[size:]
        return size

    def close(self) -> None:
        if not self.closed and not self._is_lent:
            self._inbox.close()
        super().close()


class FarInput(io.RawIOBase):
    """What a process on a node reads.

    Args:
        send: writes bytes there, and waits until they are in the pipe.
        end: closes the pipe there, without waiting.
        hold: kept, so that the process is not let go of while this is open.
    """

    def __init__(self, send: Callable[[bytes], Any], end: Callable[[], None], hold: object) -> None:
        self._send = send
        self._end = end
        self._hold = hold

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.closed:
            raise ValueError("I/O operation on closed file")
        part = bytes(memoryview(data).cast("B")[:WRITE_BYTES])
        try:
            self._send(part)
        except (BrokenPipeError, ValueError) as error:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
        return len(part)

    def close(self) -> None:
        if not self.closed:
            self._end()
        super().close()


class Pump:
    """Carries bytes from one place to another in a thread of its own, until there are no more."""

    def __init__(self, read: Callable[[], bytes], write: Callable[[bytes], Any], close: Callable[[], Any]) -> None:
        self._read = read
        self._write = write
        self._close = close
        self._waits_since: float | None = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="pulsing-pipe", daemon=True)
        self._thread.start()

    def wait_drained(self, deadline: float | None) -> bool:
        """Wait until nothing more is to come, as far as one can tell; False if the time is over before."""
        while self._thread.is_alive() and not self._is_quiet():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            self._thread.join(QUIET_S / 10 if left is None else min(left, QUIET_S / 10))
        return True

    def _is_quiet(self) -> bool:
        """Whether it has waited for bytes for a while: something that the process left behind may hold the pipe."""
        since = self._waits_since
        return since is not None and time.monotonic() - since > QUIET_S

    def _run(self) -> None:
        try:
            while data := self._read():
                self._waits_since = None
                self._write(data)
                self._waits_since = time.monotonic()
        except (OSError, ValueError):
            pass  # either end is gone, and with it the reason to go on
        finally:
            self._close()


def pump_to(inbox: Inbox, fd: int, hold: object) -> Pump:
    """Write what comes in to a file of the caller, which is closed at the end; `hold` is kept as long."""

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]

    def close(_: object = hold) -> None:
        os.close(fd)
        inbox.close()

    return Pump(inbox.take, write, close)


def pump_from(fd: int, to: FarInput) -> Pump:
    """Send what a file of the caller holds, which is closed at the end."""

    def close() -> None:
        os.close(fd)
        to.close()

    return Pump(lambda: os.read(fd, WRITE_BYTES), lambda data: _write_all(to, data), close)


def pump_between(output: FarOutput, to: FarInput) -> Pump:
    """Send what one process on a node writes to another one; the first is told when the second reads no more."""
    inbox, hold = output.lend()

    def close(_: object = hold) -> None:
        inbox.close()
        to.close()

    return Pump(inbox.take, lambda data: _write_all(to, data), close)


def far_output(file: Any) -> FarOutput | None:
    """The output of a process on a node behind a file, through its text and its buffer; None for any other file."""
    binary = getattr(file, "buffer", file)
    raw = getattr(binary, "raw", binary)
    return raw if isinstance(raw, FarOutput) else None


def _write_all(to: FarInput, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[to.write(view) :]
