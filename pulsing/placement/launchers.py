"""Which launcher stands behind which word for a placement, in all systems of this process."""

from __future__ import annotations

from collections.abc import Mapping

from pulsing.exceptions import PulsingRuntimeError
from pulsing.placement.launcher import PLACEMENTS, Launcher
from pulsing.placement.local import LocalLauncher

_INSTALL: Mapping[str, str] = {
    "ray": "placement='ray' needs Ray: pip install 'pulsing[ray]', and import pulsing.integrations.ray before you spawn"
}

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
        PulsingRuntimeError: there is none; says what to install.
    """
    launcher = _launchers.get(placement)
    if launcher is None:
        raise PulsingRuntimeError(_INSTALL.get(placement, f"nothing launches processes for placement={placement!r}"))
    return launcher
