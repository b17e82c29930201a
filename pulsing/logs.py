"""Loggers whose entries stay one line, whatever strangers have put into the names and errors that they tell of."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

# Control characters, and those that turn the direction of what follows: a name that a stranger chose must not be able
# to move the cursor, to look like another one, or to begin an entry of its own.
ACTIVE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]")


def one_line(text: str) -> str:
    """A text with what would act on a terminal written out: an escape becomes `\\x1b`."""
    return ACTIVE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def logger_of(name: str) -> logging.Logger:
    """The logger of a name. What is filled into its entries is written by `one_line`, for every handler.

    The text of an entry, its `extra` and its traceback are left as they are.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_write_out)
    return logger


def _write_out(record: logging.LogRecord) -> bool:
    if isinstance(record.args, Mapping):
        record.args = {key: _shown(value) for key, value in record.args.items()}
    elif record.args:
        record.args = tuple(map(_shown, record.args))
    return True


def _shown(value: Any) -> Any:
    return value if isinstance(value, (int, float, _OneLine)) else _OneLine(value)


class _OneLine:
    """A value that is written out as one line, and not before somebody writes it."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __str__(self) -> str:
        return one_line(str(self._value))

    def __repr__(self) -> str:
        return one_line(repr(self._value))
