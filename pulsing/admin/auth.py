"""Who asks: tokens from settings and files, sessions made from them, and login codes that work once.

Secrets are kept and compared as SHA-256 digests; nothing here ever shows one.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pulsing.admin.settings import AdminSettings, Principal, Role, default_token_file
from pulsing.clock import Clock
from pulsing.logs import logger_of

logger = logger_of("pulsing.admin")

CODE_LIFE_S = 900.0
MAX_SESSIONS = 1_000
MAX_CODES = 100


def digest_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def make_token_file(path: Path) -> None:
    """Write 32 random bytes as text to `path`, for the owner alone; an existing file is left as it is."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        # Of several nodes that start at once one wins, and nobody reads half a token.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def token_path(settings: AdminSettings) -> Path | None:
    """The file that the token is in, or None when it is in the settings or comes from another app."""
    if settings.token_file is not None:
        return settings.token_file
    return None if settings.configured_credentials else default_token_file()


class TokenFile:
    """The token in a file, read again when the file changes; one that others may read is refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._digest: bytes | None = None
        self._is_missing = False

    def digest(self) -> bytes | None:
        """SHA-256 of the token, or None while there is no usable file."""
        try:
            found = self.path.stat()
        except OSError as error:
            if not self._is_missing:
                logger.warning("no token of %s lets anybody in: %s", self.path, error.strerror)
            self._is_missing, self._seen, self._digest = True, None, None
            return None
        self._is_missing = False
        stamp = (found.st_mtime_ns, found.st_size, found.st_mode)
        if stamp != self._seen:
            self._seen, self._digest = stamp, self._read(found.st_mode)
        return self._digest

    def _read(self, mode: int) -> bytes | None:
        if mode & 0o077:
            logger.warning(
                "%s can be read by others and is not used: chmod 600 it, after making a new token", self.path
            )
            return None
        try:
            text = self.path.read_text().strip()
        except (OSError, UnicodeDecodeError):
            return None
        return digest_of(text) if text else None


class Tokens:
    """The long-lived secrets of an admin app, in the order: settings, token file, the user's own file."""

    def __init__(self, settings: AdminSettings) -> None:
        self._fixed: list[tuple[bytes, Principal]] = []
        self._file: TokenFile | None = None
        if settings.token is not None:
            self._fixed.append((digest_of(settings.token), Principal("token", "admin")))
        for named in settings.tokens:
            self._fixed.append((bytes.fromhex(named.sha256), Principal(named.name, named.role)))
        path = token_path(settings)
        if path is not None:
            if not settings.configured_credentials:
                make_token_file(path)
            self._file = TokenFile(path)
            self._file.digest()  # what is wrong with it is in the log from the start

    def principal(self, token: str) -> Principal | None:
        """Whose token this is. Every known digest is compared, so that the time taken tells nothing."""
        given = digest_of(token)
        found: Principal | None = None
        for digest, principal in self._known():
            if hmac.compare_digest(digest, given):
                found = principal
        return found

    def has(self, digest: bytes) -> bool:
        """Whether a token with this digest still lets in."""
        return any(hmac.compare_digest(known, digest) for known, _ in self._known())

    def _known(self) -> list[tuple[bytes, Principal]]:
        digest = self._file.digest() if self._file else None
        return self._fixed if digest is None else [*self._fixed, (digest, Principal("token", "admin"))]


@dataclass
class _Session:
    name: str
    role: Role
    expires: float
    origin: bytes | None
    """digest of the token that it goes back to; None where there was none"""


class Sessions:
    """Short-lived tokens of browsers: opaque, bound to a role, forgotten when idle, revocable.

    Args:
        clock: where time comes from.
        idle_s: how long one lives without being used.
        lets_in: whether the token of a digest still lets in; what goes back to one that does not has ended.
    """

    def __init__(self, clock: Clock, idle_s: float, lets_in: Callable[[bytes], bool] = lambda digest: True) -> None:
        self._clock = clock
        self._idle_s = idle_s
        self._lets_in = lets_in
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._codes: OrderedDict[bytes, _Session] = OrderedDict()

    def open(self, principal: Principal, origin: bytes | None = None) -> tuple[str, float]:
        """Make a session for `principal`: its token, and the wall time at which it ends if unused.

        Args:
            principal: whose it is.
            origin: digest of the token with which it ends, too.
        """
        token = "ps_" + secrets.token_urlsafe(32)
        _bound(self._sessions, MAX_SESSIONS)
        expires = self._clock.monotonic() + self._idle_s
        self._sessions[digest_of(token)] = _Session(principal.name, principal.role, expires, origin)
        return token, self._clock.wall() + self._idle_s

    def principal(self, token: str) -> Principal | None:
        """Whose session this is; using it keeps it alive."""
        key = digest_of(token)
        session = self._sessions.get(key)
        if session is None:
            return None
        if self._has_ended(session):
            del self._sessions[key]
            return None
        session.expires = self._clock.monotonic() + self._idle_s
        self._sessions.move_to_end(key)
        return Principal(session.name, session.role, "session")

    def close(self, token: str) -> None:
        """End a session; an unknown one is fine."""
        self._sessions.pop(digest_of(token), None)

    def make_code(self, principal: Principal, token: str | None = None) -> tuple[str, float]:
        """A login code for `principal` that works once: the code, and the wall time at which it ends.

        Args:
            principal: whom it lets in.
            token: what the caller showed; code and session end with the long-lived token that it goes back to.
        """
        code = secrets.token_urlsafe(32)
        _bound(self._codes, MAX_CODES)
        expires = self._clock.monotonic() + CODE_LIFE_S
        self._codes[digest_of(code)] = _Session(principal.name, principal.role, expires, self._origin_of(token))
        return code, self._clock.wall() + CODE_LIFE_S

    def use_code(self, code: str) -> tuple[Principal, bytes | None] | None:
        """Whom a login code is for, and the origin of what is opened by it; it is used up by this."""
        made = self._codes.pop(digest_of(code), None)
        if made is None or self._has_ended(made):
            return None
        return Principal(made.name, made.role, "session"), made.origin

    def _origin_of(self, token: str | None) -> bytes | None:
        if token is None:
            return None
        session = self._sessions.get(digest_of(token))
        return digest_of(token) if session is None else session.origin

    def _has_ended(self, entry: _Session) -> bool:
        if entry.expires <= self._clock.monotonic():
            return True
        return entry.origin is not None and not self._lets_in(entry.origin)


def _bound(entries: OrderedDict[bytes, _Session], limit: int) -> None:
    """Make room for one more: whoever has most loses the one unused for longest, so that nobody ends others' logins."""
    while len(entries) >= limit:
        [(most, _)] = Counter(entry.name for entry in entries.values()).most_common(1)
        del entries[next(key for key, entry in entries.items() if entry.name == most)]


class FailedLogins:
    """How many wrong tokens an address has shown within a minute; the table of addresses is bounded."""

    LIMIT = 10
    WINDOW_S = 60.0
    MAX_ADDRESSES = 1_000

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, list[float]] = OrderedDict()

    def record(self, address: str) -> None:
        """Count one wrong token."""
        recent = [*self._recent(address), self._clock.monotonic()]
        self._failures[address] = recent[-self.LIMIT :]
        self._failures.move_to_end(address)
        while len(self._failures) > self.MAX_ADDRESSES:
            self._failures.popitem(last=False)

    def exceeded(self, address: str) -> bool:
        """Whether the address has used up its tries."""
        return len(self._recent(address)) >= self.LIMIT

    def _recent(self, address: str) -> list[float]:
        since = self._clock.monotonic() - self.WINDOW_S
        return [at for at in self._failures.get(address, ()) if at > since]


class ActionRate:
    """A bucket of tokens a principal: `rate` actions a second, twice that in a burst."""

    def __init__(self, clock: Clock, rate: float) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = 2 * rate
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> bool:
        """Take one token of `name`'s bucket; False when it is empty."""
        now = self._clock.monotonic()
        left, at = self._buckets.get(name, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        allowed = left >= 1
        self._buckets[name] = (left - 1 if allowed else left, now)
        return allowed
