"""The log of a node that was started by a command: on standard error, as text or as JSON, one line an entry."""

from __future__ import annotations

import logging
import textwrap
from types import TracebackType

from pulsing.cli.text import inert, to_json
from pulsing.logs import one_line

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
# What every entry has, so that the rest is what the caller gave as `extra`.
_COMMON = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class TextLines(logging.Formatter):
    """An entry as a line for people; a traceback follows it, set in, so that no line of it looks like an entry."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line itself."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: ExcInfo) -> str:
        """The traceback, in which an error has words of its own."""
        return textwrap.indent(inert(super().formatException(ei)), "  ")


class JsonLines(logging.Formatter):
    """An entry as a JSON object on one line, the fields of its `extra` among its own."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        entry = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _COMMON},
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return to_json(entry, default=str)


def show_log(level: str, form: str) -> None:
    """Show the log of Pulsing from a level on, and the warnings of all else."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines(_TEXT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("pulsing").setLevel(level.upper())
