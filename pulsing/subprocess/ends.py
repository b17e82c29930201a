"""The node's ends of the pipes of a process: read and written when somebody asks, and not before.

Nothing is read ahead: a process whose output nobody takes comes to a halt at a full pipe.
"""

from __future__ import annotations

import asyncio
import codecs
import io
import locale
import os
from collections.abc import AsyncIterator, Callable
from typing import IO, Any

CHUNK = 128 << 10
"""Bytes that are read at once."""
_WIDE = 1 << 20
"""What an unprivileged process may widen a pipe to on Linux."""

Decode = Callable[[bytes, bool], Any]
"""Bytes of the pipe, and whether they are the last, to what is read from it."""


class End:
    """One end of a pipe, without blocking the loop."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[None] | None = None
        os.set_blocking(file.fileno(), False)
        _widen(file.fileno())

    @property
    def closed(self) -> bool:
        return self._file.closed

    def fileno(self) -> int:
        return self._file.fileno()

    async def read(self) -> bytes:
        """Some bytes; none at the end of the pipe, or after `close`."""
        while not self.closed:
            try:
                return os.read(self.fileno(), CHUNK)
            except BlockingIOError:
                await self._ready(self._loop.add_reader, self._loop.remove_reader)
        return b""

    async def write(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            BrokenPipeError: nobody reads any more.
            ValueError: this end is closed.
        """
        view = memoryview(data)
        while view:
            if self.closed:
                raise ValueError("write to closed file")
            try:
                view = view[os.write(self.fileno(), view) :]
            except BlockingIOError:
                await self._ready(self._loop.add_writer, self._loop.remove_writer)

    def close(self) -> None:
        """Close it; whoever waits at it goes on."""
        if self.closed:
            return
        if self._waiting is not None:
            self._loop.remove_reader(self.fileno())
            self._loop.remove_writer(self.fileno())
            _settle(self._waiting)
        self._file.close()

    async def _ready(self, add: Callable[..., Any], remove: Callable[[int], Any]) -> None:
        waiting = self._waiting = self._loop.create_future()
        add(self.fileno(), _settle, waiting)
        try:
            await waiting
        finally:
            self._waiting = None
            if not self.closed:
                remove(self.fileno())


class Output:
    """What a process writes, as bytes or as text; calls take their turns."""

    def __init__(self, end: End, decode: Decode | None) -> None:
        self.end = end
        self._decode = decode
        self._buffer: Any = "" if decode else b""
        self._line_end: Any = "\n" if decode else b"\n"
        self._finished = False
        self._turn = asyncio.Lock()
        self.outlives_reader = False
        """whether what a reader of `chunks` leaves is thrown away, so that the process goes on"""
        self._drain: asyncio.Future[None] | None = None

    async def read(self, n: int = -1) -> Any:
        """So many bytes or characters, fewer at the end; all there are for a negative number."""
        async with self._turn:
            parts, size = [self._buffer], len(self._buffer)
            while not self._finished and (n < 0 or size < n):
                parts.append(await self._more())
                size += len(parts[-1])
            return self._take(parts[0][:0].join(parts), n if n >= 0 else size)

    async def readline(self) -> Any:
        """The next line with its end; nothing at the end of the output."""
        async with self._turn:
            return await self._line()

    async def readlines(self) -> list[Any]:
        """All lines there are."""
        async with self._turn:
            lines = []
            while line := await self._line():
                lines.append(line)
            return lines

    async def chunks(self) -> AsyncIterator[bytes]:
        """Bytes as they come, for one reader who takes all of them; when the reader leaves, the pipe is closed."""
        try:
            while data := await self.end.read():
                yield data
        finally:
            if self.outlives_reader:
                self._drain = asyncio.ensure_future(self._throw_away())
            else:
                self.end.close()

    async def _throw_away(self) -> None:
        while await self.end.read():
            pass

    async def _line(self) -> Any:
        parts = [self._buffer]
        while self._line_end not in parts[-1] and not self._finished:
            parts.append(await self._more())
        text = parts[0][:0].join(parts)
        found = text.find(self._line_end)
        return self._take(text, len(text) if found < 0 else found + 1)

    def _take(self, data: Any, n: int) -> Any:
        self._buffer = data[n:]
        return data[:n]

    async def _more(self) -> Any:
        data = await self.end.read()
        self._finished = not data
        return self._decode(data, self._finished) if self._decode else data


def text_decoder(encoding: str | None, errors: str | None) -> Decode:
    """Decodes as text files do: a character may be cut by the end of a chunk, and every kind of line end is one."""
    made = codecs.getincrementaldecoder(encoding or locale.getpreferredencoding(False))(errors or "strict")
    newlines = io.IncrementalNewlineDecoder(made, translate=True)
    return lambda data, last: newlines.decode(data, last)


def _widen(fd: int) -> None:
    """Let more wait in the pipe, so that both sides are woken less often."""
    try:
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _WIDE)
    except (ImportError, AttributeError, OSError):
        pass  # only Linux knows of it, and a user may have too many wide pipes


def _settle(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
