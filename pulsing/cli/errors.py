"""How a command fails: one line, a hint, and an exit code that a script can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

FAILED = 1
USAGE = 2
NOT_FOUND = 3
NOT_ALLOWED = 4
PARTIAL = 5
TIMED_OUT = 6
INTERRUPTED = 130


@contextmanager
def hinting(exit_code: int, hint: str) -> Iterator[None]:
    """Give a hint with what fails inside by an exit code and has none."""
    try:
        yield
    except CliError as error:
        if error.exit_code == exit_code and error.hint is None:
            error.hint = hint
        raise


class CliError(Exception):
    """A command cannot do what it was asked to; `more` is for those who asked to be told more."""

    def __init__(
        self, detail: str, *, hint: str | None = None, exit_code: int = FAILED, more: str | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.exit_code = exit_code
        self.more = more
