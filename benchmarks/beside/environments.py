"""The interpreters that contestants run on: ours, and an environment of its own for each peer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PEERS = {"pulsing-0.1.2": "pulsing==0.1.2", "xoscar": "xoscar", "pykka": "pykka", "ray": "ray"}
"""What to install for each peer, by the name it has on the page."""

FOLDER = Path(".venv-peers")

_VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


def python_of(contestant: str) -> Path:
    """The interpreter of a contestant; those that are no peers run on this one."""
    return FOLDER.resolve() / contestant / "bin/python" if contestant in PEERS else Path(sys.executable)


def make_missing() -> list[str]:
    """Make the environments that are not there yet, and name the peers for which that was not possible."""
    return [peer for peer, wanted in PEERS.items() if not (_is_ready(peer) or _made(peer, wanted))]


def version_of(peer: str) -> str:
    """The version of a peer that is installed."""
    found = subprocess.run(
        [python_of(peer), "-c", _VERSION, PEERS[peer].partition("==")[0]], capture_output=True, text=True, check=True
    )
    return found.stdout.strip()


def _is_ready(peer: str) -> bool:
    return _mark(peer).exists()


def _made(peer: str, wanted: str) -> bool:
    print(f"installing {wanted} ...", flush=True)
    commands: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", "--clear", FOLDER / peer],
        [python_of(peer), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", wanted, "uvloop"],
    ]
    for command in commands:
        if subprocess.run(command).returncode:
            return False
    _mark(peer).touch()
    return True


def _mark(peer: str) -> Path:
    return FOLDER / peer / ".ready"
