"""A process that outlives this one by a moment, to end the process groups that it leaves behind.

It reads from a pipe which groups there are. The pipe ends with this process, however that comes about, and with the
pipe end the groups.
"""

from __future__ import annotations

import subprocess
import sys

from pulsing.descriptors import keep_from_children

_PROGRAM = """
import os, sys
groups = set()
for line in sys.stdin.buffer:
    number = int(line)
    if number > 0:
        groups.add(number)
    else:
        groups.discard(-number)
for group in groups:
    try:
        os.killpg(group, 9)
    except OSError:
        pass
"""


class Guard:
    """Watches over the groups of one system; its process is started with the first of them."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()

    def watch(self, group: int) -> None:
        """End this group when this process is gone."""
        self._groups.add(group)
        self._tell(group)

    def forget(self, group: int) -> None:
        """The group has ended, and its number may soon be that of another one."""
        if group in self._groups:
            self._groups.remove(group)
            self._tell(-group)

    def close(self) -> None:
        """Watch no longer; what is left of the groups is ended."""
        if self._process is not None:
            self._end(self._process)
            self._process = None

    def _tell(self, number: int) -> None:
        process = self._process or self._start()
        try:
            _write(process, number)
        except BrokenPipeError:
            # Somebody has killed it: another one takes its place.
            self._end(process)
            self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        # In a session of its own, so that what ends a whole terminal does not end it before its work is done.
        process = self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            start_new_session=True,
        )
        assert process.stdin is not None
        keep_from_children(process.stdin.fileno())
        for group in self._groups:
            _write(process, group)
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def _write(process: subprocess.Popen[bytes], number: int) -> None:
    assert process.stdin is not None
    process.stdin.write(b"%d\n" % number)
