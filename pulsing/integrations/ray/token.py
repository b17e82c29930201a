"""What to do where a Ray demands a token: Ray itself mostly says that it cannot connect, or aborts the process.

We neither read the token nor send it: Ray does.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pulsing.exceptions import AuthFailed

HINT = (
    "a Ray that demands a token wants RAY_AUTH_MODE=token and the token of its head, in RAY_AUTH_TOKEN or in the file "
    "that RAY_AUTH_TOKEN_PATH names, in the environment of every process that joins it"
)


@contextmanager
def explained() -> Iterator[None]:
    """Say what to set, where Ray refuses what the block asks for because of its token.

    Raises:
        AuthFailed: in the place of Ray's own error, which is its cause.
    """
    try:
        yield
    except Exception as error:
        if not _is_about_token(error):
            raise
        raise AuthFailed(os.environ.get("RAY_ADDRESS", "Ray"), f"{error}; {HINT}") from error


def _is_about_token(error: Exception) -> bool:
    # Which class it is depends on the part of Ray that was asked: AuthenticationError, or an RPC that names the fault.
    return "AuthenticationError" in [cls.__name__ for cls in type(error).__mro__] or "InvalidAuthToken" in str(error)
