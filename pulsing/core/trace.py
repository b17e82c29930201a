"""The W3C context of a message in 25 bytes: trace id (16), span id (8), flags (1)."""

from __future__ import annotations

import random

NOT_SAMPLED = b"\0"


def new_trace(source: random.Random) -> bytes:
    """The context of a message that nobody's trace leads to; it is sampled by none."""
    # W3C forbids ids of zeros only, which do not come up in the life of the universe.
    return source.getrandbits(192).to_bytes(24, "big") + NOT_SAMPLED
