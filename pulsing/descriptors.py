"""Descriptors that are this process's alone: a forked child lets go of them.

A fork copies them all, and what they stand for lasts as long as the last copy. With a pool of forked workers alive the
port of a killed node would stay taken, the other ends of its links would not notice its death, and its files would stay
locked.
"""

from __future__ import annotations

import os

_own: dict[int, tuple[int, int]] = {}


def keep_from_children(descriptor: int) -> None:
    """Let no child that is forked from now on have this descriptor; whoever closes it need not say so."""
    _own[descriptor] = _identity(descriptor)


def _identity(descriptor: int) -> tuple[int, int]:
    """What stands behind a number, which may be another thing's by the time of a fork."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _let_go() -> None:
    """Put nothing in the place of each, so that objects which still have the number can close it as ever."""
    own = dict(_own)
    _own.clear()
    if not own:
        return
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor, identity in own.items():
        try:
            if _identity(descriptor) == identity:
                os.dup2(nothing, descriptor, inheritable=False)
        except OSError:
            pass  # it has been closed
    os.close(nothing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
