"""How the web framework is loaded beside the loop."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

import pytest

from pulsing.admin import serving

MODULE = "pulsing.admin.server"


class DisturbedOnce(MetaPathFinder):
    """Fails as the compiler does when two threads parse at a time."""

    def __init__(self) -> None:
        self.times = 0

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if name == MODULE:
            self.times += 1
            if self.times == 1:
                raise SystemError("AST constructor recursion depth mismatch (before=162, after=56)")
        return None


def test_an_import_that_another_thread_has_disturbed_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    disturbed = DisturbedOnce()
    monkeypatch.setattr(sys, "meta_path", [disturbed, *sys.meta_path])
    monkeypatch.delitem(sys.modules, MODULE, raising=False)

    serving._import_server()

    assert disturbed.times == 2
    assert MODULE in sys.modules
