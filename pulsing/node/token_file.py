"""The file by which the nodes of one user on one machine know each other: 32 random bytes that nobody else can read.

Created on first use. A file that others could have read or planted is refused, never repaired: whoever made it
that way has to look.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from pulsing.exceptions import AuthFailed

_TOKEN_BYTES = 32
_FILE_BYTES = 2 * _TOKEN_BYTES + 1
_CONTENT = re.compile(rb"[0-9a-f]{64}\n")
_OTHERS = 0o077


def token_path(environ: Mapping[str, str]) -> Path:
    """Where the user's token file is: under `XDG_CONFIG_HOME`, else `~/.config`."""
    base = environ.get("XDG_CONFIG_HOME")
    return Path(base or Path.home() / ".config") / "pulsing" / "cluster.token"


def read_or_create_token(path: Path) -> bytes:
    """The 32 bytes of the token file, which is made if there is none. Of several makers one wins, whole.

    Raises:
        AuthFailed: the file is not one that only this user can read and write, or its content is no token.
        OSError: the directory cannot be written.
    """
    try:
        return read_token(path)
    except FileNotFoundError:
        _create(path)
        return read_token(path)


def read_token(path: Path) -> bytes:
    """The 32 bytes of an existing token file.

    Raises:
        AuthFailed: as for `read_or_create_token`.
        FileNotFoundError: there is no such file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        if path.is_symlink():
            raise _refusal(path, "it is a symbolic link; put the file itself there") from None
        raise _refusal(path, f"it cannot be read ({error.strerror}); make it a file of this user") from None
    try:
        _check(path, os.fstat(descriptor))
        content = os.read(descriptor, _FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    if not _CONTENT.fullmatch(content):
        raise _refusal(path, "it does not hold 64 hexadecimal digits and a newline; remove it or copy it again")
    return bytes.fromhex(content.decode())


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise _refusal(path, "it is not a regular file; remove it")
    if found.st_uid != os.geteuid():
        raise _refusal(path, "it belongs to another user; remove it, or chown it to this user")
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        raise _refusal(path, f"other users may use it; chmod 600 {path}, and replace it if somebody may have read it")
    if found.st_size != _FILE_BYTES:
        raise _refusal(path, f"it is {found.st_size} bytes long, not {_FILE_BYTES}; remove it or copy it again")


def _refusal(path: Path, why: str) -> AuthFailed:
    return AuthFailed(str(path), f"the token file {path} is not usable: {why}")


def _create(path: Path) -> None:
    """Write a token aside and link it into place: no process ever sees half a file, and the first one wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(_TOKEN_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
