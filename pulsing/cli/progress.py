"""How far long work has come, on standard error, and only where somebody looks at it."""

from __future__ import annotations

import sys


class Progress:
    """A line that is written over itself; ends with the work.

    Args:
        what: what is counted, e.g. "records put".
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._seen = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._seen:
            sys.stderr.write("\r\x1b[K")

    def show(self, count: int) -> None:
        """Say how many are done."""
        if self._seen:
            sys.stderr.write(f"\r\x1b[K{count:,} {self._what}")
            sys.stderr.flush()
