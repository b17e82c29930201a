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
        self._at_work = 0
        self._changed = threading.Condition()
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
            whatever reading or writing raised, at once: the process may wait for what will never come.
        """
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or not self._at_work, left)
            if self._error is not None:
                raise self._error
            return not self._at_work

    def _joined(self, name: str) -> bytes | None:
        parts = self._outputs[name]
        return None if parts is None else b"".join(parts)

    def _start(self, work: Any, file: IO[Any], what: Any) -> None:
        with self._changed:
            self._at_work += 1
        args = (work, file, what)
        threading.Thread(target=self._run, args=args, name="pulsing-communicate", daemon=True).start()

    def _run(self, work: Any, file: IO[Any], what: Any) -> None:
        error: BaseException | None = None
        try:
            work(file, what)
        except BaseException as raised:
            error = raised
        with self._changed:
            self._error = self._error or error
            self._at_work -= 1
            self._changed.notify_all()

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
