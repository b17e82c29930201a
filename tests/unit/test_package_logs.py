"""What strangers say stays within the entry of the log that tells of it."""

from __future__ import annotations

import ast
import logging
import uuid
from pathlib import Path

import pytest

import pulsing
from pulsing.logs import logger_of

PACKAGE = Path(pulsing.__file__).parent
FORGED = "bob\n2030-01-01 INFO pulsing.audit: \x1b[2Jforged \u202eby \x9b31m"
WRITTEN = r"bob\n2030-01-01 INFO pulsing.audit: \x1b[2Jforged \u202eby \x9b31m"


@pytest.fixture
def logger() -> logging.Logger:
    return logger_of(f"pulsing.test.{uuid.uuid4()}")


def test_an_entry_stays_one_line_for_any_handler(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    logger.warning("topic %s: %r, %d times: %s", FORGED, ["\n"], 3, ValueError(FORGED))

    assert caplog.messages == [f"topic {WRITTEN}: ['\\n'], 3 times: {WRITTEN}"]


def test_values_by_name_and_a_single_value_are_written_out_too(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    logger.warning("%(who)s is %(lag).1f s late", {"who": FORGED, "lag": 0.25})
    logger.warning("%016x: %s", 17, (FORGED, None))
    logger.warning("100%")

    assert caplog.messages[0] == f"{WRITTEN} is 0.2 s late"
    assert "\n" not in caplog.messages[1] and caplog.messages[1].startswith("0000000000000011: ('bob")
    assert caplog.messages[2] == "100%"


def test_asking_for_a_logger_again_changes_nothing(logger: logging.Logger) -> None:
    assert logger_of(logger.name) is logger
    assert len(logger.filters) == 1


def test_nothing_in_the_package_logs_by_another_way() -> None:
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if name in ("logs.py", "cli/logs.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            takes_one = isinstance(node, ast.Call) and node.args and ast.unparse(node.func).endswith("getLogger")
            assert not takes_one, f"{name}:{node.lineno}: take the logger by pulsing.logs.logger_of"  # type: ignore[attr-defined]
