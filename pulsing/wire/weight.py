"""About how many bytes the arguments of a call take once they are decoded, judged by how they look on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pulsing.wire.attachment import Attachment
from pulsing.wire.flat import is_flat
from pulsing.wire.limits import KIB
from pulsing.wire.tags import openers

LIGHT = 64
"""Bytes up to which a head is not looked at."""
LIGHT_WEIGHT = 4 * KIB
"""Bytes that such a head takes at most once it is decoded: 64 empty maps in a list."""

# An empty map, one byte on the wire, is an object of 64 bytes.
_PER_CONTAINER = 64
# A text of two letters, or a number of three bytes, takes up to eighteen times as much; those of most documents less.
_PER_BYTE = 8

_MAYBE_LIGHT = LIGHT_WEIGHT // _PER_BYTE


class Weighed(tuple[Any, ...]):
    """Arguments that know about how many bytes they take."""

    weight: int


def is_light(head: bytes) -> bool:
    """Whether what a head without attachments holds takes no more than `LIGHT_WEIGHT`."""
    size = len(head)
    if size <= LIGHT or size > _MAYBE_LIGHT:
        return size <= LIGHT
    return _PER_BYTE * size + _PER_CONTAINER * openers(head) <= LIGHT_WEIGHT


def weighed(arguments: Iterable[Any], head: bytes, attachments: Sequence[Attachment]) -> Weighed:
    """The arguments with their weight, given the bytes from which they were decoded."""
    args = Weighed(arguments)
    args.weight = weight_of(head) + sum(attachment.size for attachment in attachments)
    return args


def weight_of(head: bytes) -> int:
    """About how many bytes a value takes, without its attachments."""
    return len(head) if is_flat(head) else _PER_BYTE * len(head) + _PER_CONTAINER * openers(head)
