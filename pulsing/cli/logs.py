"""The log of a node that was started by a command: on standard error, as text or as JSON, one line an entry."""

from __future__ import annotations

import json
import logging

from pulsing.cli.text import one_line

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
# What every entry has, so that the rest is what the caller gave as `extra`.
_COMMON = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class TextLines(logging.Formatter):
    """An entry as a line for people; a traceback follows it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line itself."""
        return one_line(super().formatMessage(record))


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
        return json.dumps(entry, ensure_ascii=False, default=str)


def show_log(level: str, form: str) -> None:
    """Show the log of Pulsing from a level on, and the warnings of all else."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines(_TEXT))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("pulsing").setLevel(level.upper())
