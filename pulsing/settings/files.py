"""The file that settings come from: which one it is, and what it says by key."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pulsing.settings.errors import SettingError

OWN_FILE = "pulsing.toml"
PROJECT_FILE = "pyproject.toml"


def find_file(environ: Mapping[str, str], folder: Path) -> Path | None:
    """The first there is of: the file that `PULSING_CONFIG` names, `pulsing.toml`, a `pyproject.toml` with a table
    `[tool.pulsing]`, and the user's own `config.toml`. Files are not put together.

    Raises:
        SettingError: the file that was named is not there.
    """
    if named := environ.get("PULSING_CONFIG"):
        if not Path(named).is_file():
            raise SettingError(f"PULSING_CONFIG names {named}, which is no file")
        return Path(named)
    candidates = (folder / OWN_FILE, folder / PROJECT_FILE, user_file(environ))
    return next((path for path in candidates if path.is_file() and _concerns_us(path)), None)


def user_file(environ: Mapping[str, str]) -> Path:
    """Where the user's own settings are, for every folder that has none."""
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "pulsing" / "config.toml"


def read_file(path: Path) -> dict[str, Any]:
    """The values of a file by key: `[admin] read_only = true` is `admin.read_only`.

    Raises:
        SettingError: it cannot be read, or is no TOML.
    """
    try:
        content = _parse(path.read_bytes())
    except OSError as error:
        raise SettingError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingError(f"{path} is no TOML: {error}") from error
    return dict(_flat(_ours(content, path), ""))


def _concerns_us(path: Path) -> bool:
    # Looked for before it is parsed: the project file of most programs says nothing to us, at every start of a system.
    return path.name != PROJECT_FILE or b"tool.pulsing" in path.read_bytes()


def _ours(content: dict[str, Any], path: Path) -> dict[str, Any]:
    if path.name != PROJECT_FILE:
        return content
    ours: dict[str, Any] = content.get("tool", {}).get("pulsing", {})
    return ours


def _flat(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _parse(content: bytes) -> dict[str, Any]:
    # Only a start that has a file needs it; it came into the standard library with Python 3.11.
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(content.decode())
