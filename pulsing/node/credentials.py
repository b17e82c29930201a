"""Which secret a node uses: a passphrase, else the user's token file, else none, and that only when asked for.

Secrets and keys live in memory only, inside `Secret`, which shows itself to nobody.
"""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NoReturn, TypeAlias

from pulsing.exceptions import AuthFailed
from pulsing.logs import logger_of
from pulsing.node.token_file import read_or_create_token, token_path
from pulsing.transport.threads import in_own_thread
from pulsing.wire.handshake import link_key, root_of_passphrase, root_of_token

DEFAULT_CLUSTER = "pulsing"

Mode: TypeAlias = Literal["passphrase", "token", "insecure"]

_WEAK_BITS = 50
_BITS_OF_A_WORD = 13
"""A word out of a list of 7,776, as dice choose it."""

_log = logger_of(__name__)

_TRUE = ("1", "true", "yes", "on")


class Secret:
    """Bytes that do not show in a repr, a log line, a traceback or a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        """The bytes themselves; keep them in no variable that outlives the call."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied")


class Credentials:
    """The secrets of one node, the newest first, and the link keys derived from them.

    May be shared by several loops and threads: the derivation runs once.
    """

    def __init__(self, mode: Mode, secrets: Sequence[Secret], cluster: str = DEFAULT_CLUSTER) -> None:
        self.mode: Mode = mode
        self.cluster = cluster
        self._secrets = tuple(secrets)
        self._roots: tuple[Secret, ...] | None = None
        self._lock = threading.Lock()

    @classmethod
    def of_roots(cls, mode: Mode, roots: Sequence[Secret], cluster: str) -> Credentials:
        """The credentials of a node whose stretched secrets are known already."""
        made = cls(mode, (), cluster)
        made._roots = tuple(roots)
        return made

    @property
    def secure(self) -> bool:
        """Whether links are authenticated at all."""
        return self.mode != "insecure"

    async def roots(self) -> tuple[Secret, ...]:
        """The stretched secrets, the newest first; computed in a worker thread, once."""
        if self._roots is None and self.mode == "passphrase":
            await in_own_thread("pulsing-credentials", self._derive)
        return self._derive()

    async def keys(self) -> tuple[Secret, ...]:
        """The link keys, the newest first; empty in insecure mode."""
        return tuple(Secret(link_key(root.reveal())) for root in await self.roots())

    def _derive(self) -> tuple[Secret, ...]:
        with self._lock:
            if self._roots is None:
                self._roots = tuple(self._root_of(secret) for secret in self._secrets)
            return self._roots

    def _root_of(self, secret: Secret) -> Secret:
        if self.mode == "passphrase":
            return Secret(root_of_passphrase(secret.reveal().decode(), self.cluster))
        return Secret(root_of_token(secret.reveal(), self.cluster))

    def __repr__(self) -> str:
        return f"Credentials(mode={self.mode!r}, cluster={self.cluster!r})"


def find_credentials(
    *,
    passphrase: str | Sequence[str] | None = None,
    passphrase_file: str | Path | None = None,
    token_file: str | Path | Sequence[str | Path] | None = None,
    insecure: bool | None = None,
    cluster: str = DEFAULT_CLUSTER,
    environ: Mapping[str, str] = os.environ,
) -> Credentials:
    """Decide which secret this node uses.

    In order: `passphrase`, `PULSING_PASSPHRASE`, `passphrase_file`; then insecure mode if it was asked for
    (`insecure=True` or `PULSING_INSECURE=1`); then the token file, created if there is none.

    Args:
        passphrase: one, or the new and the old one while they are changed: both are accepted.
        passphrase_file: a file whose first line is the passphrase.
        token_file: instead of the user's own; several while tokens are changed, the new one first.
        insecure: None leaves it to the environment.
        cluster: the cluster's name, which is part of the derivation.
        environ: the environment variables.

    Raises:
        ValueError: insecure mode was asked for although there is a passphrase, or a passphrase is empty.
        AuthFailed: a file is not usable; the message names it and says how to repair it.
    """
    phrases = _passphrases(passphrase, passphrase_file, environ)
    if insecure is None:
        insecure = environ.get("PULSING_INSECURE", "").lower() in _TRUE
    if phrases and insecure:
        raise ValueError("insecure mode and a passphrase exclude each other: unset one of them")
    if phrases:
        _warn_of_weakness(phrases[0])
        return Credentials("passphrase", phrases, cluster)
    if insecure:
        _log.warning("running insecure: whoever reaches this node can call its actors")
        return Credentials("insecure", (), cluster)
    return Credentials("token", [Secret(read_or_create_token(path)) for path in _paths(token_file, environ)], cluster)


def _passphrases(
    passphrase: str | Sequence[str] | None, file: str | Path | None, environ: Mapping[str, str]
) -> tuple[Secret, ...]:
    if passphrase is None:
        passphrase = environ.get("PULSING_PASSPHRASE")
    if passphrase is None and file is not None:
        passphrase = _first_line(Path(file))
    phrases = () if passphrase is None else (passphrase,) if isinstance(passphrase, str) else tuple(passphrase)
    if not all(phrases):
        raise ValueError("the passphrase is empty; set one, or leave it out to use the token file")
    return tuple(Secret(phrase.encode()) for phrase in phrases)


def _first_line(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except OSError as error:
        raise AuthFailed(str(file), f"the passphrase file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        # The decoder's own error shows the bytes.
        raise AuthFailed(str(file), f"the passphrase file {file} is not a text in UTF-8") from None


def _paths(token_file: str | Path | Sequence[str | Path] | None, environ: Mapping[str, str]) -> Sequence[Path]:
    if token_file is None:
        return [token_path(environ)]
    files = [token_file] if isinstance(token_file, (str, Path)) else token_file
    return [Path(file).expanduser() for file in files]


def _warn_of_weakness(phrase: Secret) -> None:
    bits = estimated_bits(phrase.reveal().decode())
    if bits < _WEAK_BITS:
        _log.warning("the passphrase has about %d bits; six random words, or 32 random bytes, cannot be guessed", bits)


def estimated_bits(passphrase: str) -> float:
    """A rough measure of how hard a passphrase is to guess; generous to those that only look random."""
    words = re.split(r"[\s_.-]+", passphrase.strip())
    if len(words) > 1 and all(word.isalpha() for word in words):
        return float(_BITS_OF_A_WORD * len(words))
    classes = ((str.islower, 26), (str.isupper, 26), (str.isdigit, 10))
    alphabet = sum(size for of_class, size in classes if any(map(of_class, passphrase)))
    alphabet += 0 if passphrase.isalnum() else 20
    return min(len(passphrase), 2 * len(set(passphrase))) * math.log2(max(alphabet, 2))
