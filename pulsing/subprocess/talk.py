"""One conversation with a process: all input goes in while all output comes out."""

from __future__ import annotations

import threading
import time
from typing import IO, Any

READ_BYTES = 256 << 10


class Talk:
    """Begins at once, and goes on by itself, however often somebody waits for it.

    Args:
        stdin, stdout, stderr: the files of a process; None for what is none. Each is closed at its end.
        input: what is written, as the file takes it.
    """

    def __init__(self, stdin: IO[Any] | None, stdout: IO[Any] | None, stderr: IO[Any] | None, input: Any) -> None:
        self._error: BaseException | None = None
        self._outputs: dict[str, list[bytes] | None] = {"stdout": None, "stderr": None}
        self._threads: list[threading.Thread] = []
        if stdin is not None:
            self._start(self._write, stdin, input)
        for name, file in (("stdout", stdout), ("stderr", stderr)):
            if file is not None:
                parts = self._outputs[name] = []
                self._start(self._read, file, parts)

    @property
    def stdout(self) -> bytes | None:
        """What has come so far."""
        return self._joined("stdout")

    @property
    def stderr(self) -> bytes | None:
        """What has come so far."""
        return self._joined("stderr")

    def so_far(self) -> tuple[bytes | None, bytes | None]:
        """What has come of both; None for nothing."""
        return self.stdout or None, self.stderr or None

    def wait(self, deadline: float | None) -> bool:
        """Wait for the end of all; False if the time is over before.

        Raises:
            whatever reading or writing raised.
        """
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                return False
        if self._error is not None:
            raise self._error
        return True

    def _joined(self, name: str) -> bytes | None:
        parts = self._outputs[name]
        return None if parts is None else b"".join(parts)

    def _start(self, work: Any, file: IO[Any], what: Any) -> None:
        thread = threading.Thread(target=self._run, args=(work, file, what), name="pulsing-communicate", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, work: Any, file: IO[Any], what: Any) -> None:
        try:
            work(file, what)
        except BaseException as error:
            self._error = self._error or error

    def _write(self, file: IO[Any], input: Any) -> None:
        try:
            if input:
                file.write(input)
            file.close()
        except BrokenPipeError:
            pass  # it does not want to know all of it

    def _read(self, file: IO[Any], parts: list[bytes]) -> None:
        # Text is decoded at the end, so that what has come before a timeout is not kept back by half a character.
        binary = getattr(file, "buffer", file)
        read = getattr(binary, "read1", binary.read)
        while data := read(READ_BYTES):
            parts.append(data)
        file.close()
