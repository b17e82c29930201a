"""The log of a node that a command started."""

from __future__ import annotations

import json
import logging
import sys

from pulsing.cli.logs import JsonLines, TextLines


def entry(message: str, **more: object) -> logging.LogRecord:
    record = logging.LogRecord("pulsing.x", logging.WARNING, "x.py", 1, message, (), None)
    vars(record).update(more)
    return record


def test_an_entry_as_json_is_one_object_with_its_fields() -> None:
    line = JsonLines().format(entry("seed\nlost", node="n1", at_once=object))

    written = json.loads(line)
    assert "\n" not in line
    assert (written["level"], written["logger"], written["message"]) == ("warning", "pulsing.x", "seed\nlost")
    assert (written["node"], written["at_once"]) == ("n1", "<class 'object'>")


def test_a_traceback_is_a_field() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        record = entry("failed", exc_info=sys.exc_info())

    assert "ValueError: no" in json.loads(JsonLines().format(record))["traceback"]


def test_an_entry_as_text_stays_one_line_that_acts_on_no_terminal() -> None:
    line = TextLines("%(levelname)s %(message)s").format(entry("a\nWARNING forged \x1b[2J"))

    assert line == r"WARNING a\nWARNING forged \x1b[2J"


def test_what_an_error_says_of_itself_looks_like_no_entry_in_a_traceback() -> None:
    try:
        raise ValueError("no\n2030-01-01 INFO    pulsing.audit: forged \x1b[2J")
    except ValueError:
        record = entry("failed", exc_info=sys.exc_info())

    first, *traceback = TextLines("%(levelname)s %(message)s").format(record).splitlines()

    assert first == "WARNING failed"
    assert all(line.startswith("  ") for line in traceback)
    assert traceback[-1] == r"  2030-01-01 INFO    pulsing.audit: forged \x1b[2J"


def test_an_entry_as_json_acts_on_no_terminal() -> None:
    line = JsonLines().format(entry("a \x9b31m \u202e b", node="\x1b[2J"))

    assert line.isprintable()
    assert json.loads(line)["message"] == "a \x9b31m \u202e b"
