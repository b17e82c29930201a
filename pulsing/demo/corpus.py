"""Which files of a folder are the input, and what is in them."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

_LARGEST = 4 * 1024 * 1024
_SNIFFED = 8192
# Not what somebody wrote, but what machines made of it or fetched.
_SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "dist-packages", "node_modules"})


class NotText(Exception):
    """A file cannot be read as text; the message says why, in a few words."""


class NoInput(Exception):
    """There is nothing to read at a path; the message says why, for the user."""


def standard_library() -> Path:
    """The folder of the running Python's own modules."""
    return Path(sysconfig.get_path("stdlib"))


def list_files(root: Path) -> list[str]:
    """The files under `root` (or `root` itself), as sorted paths relative to it. Links are not followed.

    A folder that may not be entered is listed itself, so that reading it says why its files are not there.

    Raises:
        NoInput: `root` does not exist, may not be read, or holds no file.
    """
    if not root.exists():
        raise NoInput(f"{root} does not exist")
    if not os.access(root, os.R_OK | (os.X_OK if root.is_dir() else 0)):
        raise NoInput(f"{root} may not be read by this user")
    files = [root.name] if root.is_file() else sorted(_walk(root))
    if not files:
        raise NoInput(f"there is no file under {root}")
    return files


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        NotText: it is not UTF-8, is too large, or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_SNIFFED)
            if b"\0" in head:
                raise NotText("binary")
            content = head + file.read(_LARGEST - len(head) + 1)
    except OSError as error:
        raise NotText((error.strerror or "unreadable").lower()) from error
    if len(content) > _LARGEST:
        raise NotText("larger than 4 MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise NotText("not UTF-8") from None


def _walk(root: Path) -> Iterator[str]:
    closed: list[str] = []
    for folder, subfolders, names in os.walk(root, onerror=lambda error: closed.append(str(error.filename))):
        subfolders[:] = [name for name in subfolders if name not in _SKIPPED_FOLDERS and not name.startswith(".")]
        for name in names:
            path = Path(folder) / name
            # A pipe or a socket would be waited on for ever.
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield str(path.relative_to(root))
    for closed_folder in closed:
        yield str(Path(closed_folder).relative_to(root))
