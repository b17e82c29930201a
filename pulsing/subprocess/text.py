"""The files that a caller gets for the pipes of a process: of bytes, or of text."""

from __future__ import annotations

import io
import locale
from typing import Any

from pulsing.subprocess.files import FarInput, FarOutput


class Text:
    """How the pipes of one process are read and written: as bytes, or as text."""

    def __init__(self, wanted: bool, encoding: str | None, errors: str | None) -> None:
        self._wanted = wanted
        self._encoding = encoding or locale.getpreferredencoding(False)
        self._errors = errors or "strict"

    def reader(self, raw: FarOutput, bufsize: int) -> Any:
        """A file to read from."""
        binary: Any = raw if bufsize == 0 and not self._wanted else io.BufferedReader(raw, _size(bufsize))
        return io.TextIOWrapper(binary, encoding=self._encoding, errors=self._errors) if self._wanted else binary

    def writer(self, raw: FarInput, bufsize: int) -> Any:
        """A file to write to."""
        if not self._wanted:
            return raw if bufsize == 0 else io.BufferedWriter(raw, _size(bufsize))
        return io.TextIOWrapper(
            io.BufferedWriter(raw, _size(bufsize)),
            encoding=self._encoding,
            errors=self._errors,
            write_through=True,
            line_buffering=bufsize == 1,
        )

    def decode(self, data: bytes | None) -> Any:
        """What was read in bytes, as the caller wants it."""
        if data is None or not self._wanted:
            return data
        return data.decode(self._encoding, self._errors).replace("\r\n", "\n").replace("\r", "\n")


def _size(bufsize: int) -> int:
    return bufsize if bufsize > 1 else io.DEFAULT_BUFFER_SIZE
