"""Modules under the names that programs know them by.

The module that a class goes by is the same in every process of a program. A script runs as `__main__`. A process that
only wants its classes runs it once more under another name, so that what stands under `if __name__ == "__main__":` is
left alone; its classes still go by the name that they have in the first.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

MAIN = "__main__"
MAIN_AGAIN = "__mp_main__"
"""What multiprocessing calls a script that it runs for its definitions: the name that scripts may know."""


def module_of(cls: type) -> str:
    """The name of the module that defines a class, as other processes know it."""
    module = cls.__module__
    return MAIN if module == MAIN_AGAIN else module


def found_in(package: str, *names: str) -> Callable[[str], Any]:
    """A module's `__getattr__` that finds `names` in the package it belongs to.

    For names that programs written for the original import from the module, though they need what builds upon it.
    """

    def find(name: str) -> Any:
        if name in names:
            return getattr(sys.modules[package], name)
        raise AttributeError(f"no attribute {name!r}")

    return find
