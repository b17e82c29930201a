"""What tests of commands share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.cli.scripted import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()
