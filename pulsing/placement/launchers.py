"""Which launcher stands behind which word for a placement, in all systems of this process."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from pulsing.exceptions import PulsingRuntimeError
from pulsing.placement.launcher import PLACEMENTS, Launcher
from pulsing.placement.local import LocalLauncher

_ENGINES: Mapping[str, str] = {"ray": "pulsing.integrations.ray"}
"""Modules of engines, which stand above this one; each registers its launcher when it is imported."""

_launchers: dict[str, Launcher] = {"process": LocalLauncher()}


def register_launcher(placement: str, launcher: Launcher) -> None:
    """Let `spawn(placement=…)` start its processes by this launcher.

    Raises:
        ValueError: no placement is called so.
    """
    if placement not in PLACEMENTS:
        raise ValueError(f"processes are placed by {' or '.join(map(repr, PLACEMENTS))}, not by {placement!r}")
    _launchers[placement] = launcher


def launcher_for(placement: str) -> Launcher:
    """The launcher behind a placement.

    Raises:
        PulsingRuntimeError: there is none.
    """
    if placement not in _launchers and placement in _ENGINES:
        importlib.import_module(_ENGINES[placement])
    launcher = _launchers.get(placement)
    if launcher is None:
        raise PulsingRuntimeError(f"nothing launches processes for placement={placement!r}")
    return launcher
