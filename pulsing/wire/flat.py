"""Values without depth: one scalar, or a short list of scalars, as are the arguments and answers of most calls.

What is flat is read by msgpack alone, however large it is: nothing in it can be nested too deeply.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pulsing.wire.limits import KIB

ELEMENTS = 15
"""As many as msgpack counts in the first byte of a list."""

FLAT_BYTES = 128 * KIB
"""Bytes above this never stand in a flat value: half of what goes out between two looks at what else there is."""

_LIST = 0x90
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})

# After the byte that says what it is: the bytes of a scalar, or those that count its bytes.
_FIXED = {0xC0: 0, 0xC2: 0, 0xC3: 0, 0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_FIXED |= {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_COUNTED = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}


def are_scalars(values: Iterable[Any]) -> bool:
    """Whether msgpack packs each of these as a scalar."""
    return _SCALARS.issuperset(map(type, values))


def is_flat(head: bytes) -> bool:
    """Whether an encoded value is flat; looks at the first bytes of each element only."""
    offset = 0
    count = 1
    try:
        if head[0] & 0xF0 == _LIST:
            offset = 1
            count = head[0] & 0x0F
        for _ in range(count):
            kind = head[offset]
            offset += 1
            if 0xA0 <= kind < 0xC0:
                offset += kind & 0x1F
            elif 0x80 <= kind < 0xE0:
                width = _COUNTED.get(kind)
                if width is not None:
                    offset += width + int.from_bytes(head[offset : offset + width], "big")
                else:
                    offset += _FIXED[kind]
    except LookupError:
        return False
    return offset == len(head)
