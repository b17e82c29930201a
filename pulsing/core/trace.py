"""The W3C context of a message in 25 bytes: trace id (16), span id (8), flags (1)."""

from __future__ import annotations

import random

from pulsing.core.actor import CURRENT, TRACE

NOT_SAMPLED = b"\0"
NO_TRACE = b""
"""Is never the context of a message."""


def current_trace() -> bytes | None:
    """The context of the message that is being handled.

    A message from this node may have come without one. Where its handler asks, or sends something to another node, a
    trace begins, and goes on in all that the handler sends from then on.

    Returns:
        None outside of actors where there is none.
    """
    trace, actor = TRACE.get(), CURRENT.get()
    if trace is None and actor is not None:
        cell = actor._cell
        trace = new_trace(cell.system.random)
        TRACE.set(trace)
        # The context may be the one of all turns of the actor: the next message is not to find it there.
        cell.forget_trace()
    return trace


def new_trace(source: random.Random) -> bytes:
    """The context of a message that nobody's trace leads to; it is sampled by none."""
    # W3C forbids ids of zeros only, which do not come up in the life of the universe.
    return source.getrandbits(192).to_bytes(24, "big") + NOT_SAMPLED
