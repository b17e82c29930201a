"""A node that a command started, and commands from another shell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 30.0

COMMAND = [sys.executable, "-c", "from pulsing.cli import main; main()"]


class Node:
    """A process that is a node, with what it said at its start by keyword."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.said: dict[str, str] = {}
        for line in process.stdout:
            keyword, _, rest = line.partition(" ")
            self.said[keyword] = rest.strip()
            if keyword == "join":
                break


@contextmanager
def running(folder: Path, words: tuple[str, ...]) -> Iterator[Node]:
    with subprocess.Popen([*COMMAND, *words], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Node(process)
        finally:
            process.terminate()
            process.wait(LIMIT_S)


def pulsing(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=LIMIT_S)
