"""The dashboard's files, as they are on disk: found, typed and tagged by their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
DEVELOPMENT = frozenset({"dev", "node_modules"})
"""Folders beside the sources that are not part of what is served."""


@dataclass(frozen=True)
class File:
    """One file that can be sent."""

    body: bytes
    media_type: str
    etag: str


def dashboard_folder() -> Path | None:
    """Where the dashboard is: in an installed package, else beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "_dashboard", package.parent / "dashboard"):
        if (folder / "index.html").is_file():
            return folder
    return None


class Files:
    """The files under one folder; each is read again when it changes."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[int, File]] = {}

    def find(self, path: str) -> File | None:
        """The file at a relative path; None for what is not there, hidden, or outside of the folder."""
        target = self._target(path)
        if target is None:
            return None
        changed = target.stat().st_mtime_ns
        known = self._read.get(target)
        if known is None or known[0] != changed:
            body = target.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            known = self._read[target] = (changed, File(body, MEDIA_TYPES[target.suffix], etag))
        return known[1]

    def _target(self, path: str) -> Path | None:
        parts = path.split("/")
        if self._folder is None or "\0" in path or len(path) > 1_000:
            return None
        if any(not part or part.startswith(".") or "\\" in part for part in parts) or parts[0] in DEVELOPMENT:
            return None
        target = self._folder.joinpath(*parts).resolve()
        inside = target.is_relative_to(self._folder) and target.suffix in MEDIA_TYPES
        return target if inside and target.is_file() else None
