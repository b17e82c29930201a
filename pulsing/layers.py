"""What the layers above the runtime add to it: the top of the package fills this in, so imports keep pointing down.

Imports nothing of the package, so that the package itself can be imported without any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

features: dict[str, Callable[[Any], Any]] = {}
"""Attributes of `ActorSystem` that layers above provide, made of it on first use."""

preparers: list[Callable[[Any, Any], Any]] = []
"""The same as `starters`, before other nodes know the system: what they may ask for from the first moment on."""

starters: list[Callable[[Any, Any], Any]] = []
"""What layers above do when a system starts, given it and its `SystemConfig`; awaited in order."""

environments: list[Callable[[], bool]] = []
"""What layers above know of engines inside which a system can be started unasked; each tells whether it has."""
