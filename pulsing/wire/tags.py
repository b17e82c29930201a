"""What the extension values of the encoding stand for, and the bytes by which they are told from others."""

from __future__ import annotations

import datetime as dt
import pathlib
import re
import struct
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview


class Tag(IntEnum):
    """What an extension value stands for. Numbers are only ever added; 64 to 127 belong to `TypeRegistry`."""

    INT = 1
    STR = 2
    BYTEARRAY = 3
    TUPLE = 4
    SET = 5
    FROZENSET = 6
    MAP = 7
    DATETIME = 8
    DATE = 9
    TIME = 10
    TIMEDELTA = 11
    DECIMAL = 12
    UUID = 13
    COMPLEX = 14
    RANGE = 15
    PATH = 16
    ACTOR_ID = 17
    NODE_ID = 18
    OBJECT = 19
    ARRAY = 20
    SCALAR = 21
    PICKLE = 22
    ERROR = 23
    ORDERED_DICT = 24
    DEQUE = 25
    COUNTER = 26
    DEFAULT_DICT = 27
    ATTACHED_BYTES = 32
    ATTACHED_BYTEARRAY = 33
    ATTACHED_STR = 34


class Packed(NamedTuple):
    """One encoded value."""

    head: bytes
    """The msgpack part."""

    attachments: tuple[bytes, ...] = ()
    pickled: int = 0
    """How many values in it are sent by pickle."""


COMPLEX = struct.Struct(">dd")
MICROSECOND = dt.timedelta(microseconds=1)
ZONE_KEY = re.compile(r"[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*")
PATHS: tuple[type[pathlib.PurePath], ...] = (
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.PosixPath,
    pathlib.WindowsPath,
)
"""A path is sent as its place in this list and its text."""

FACTORIES: tuple[Callable[[], object] | None, ...] = (None, int, float, str, list, dict, set)
"""What makes the missing values of a `defaultdict` is sent as its place in this list; code is never sent."""

CONTAINER_OPENERS = bytes([*range(0x80, 0xA0), *range(0xDC, 0xE0)])
"""Bytes with which lists and maps begin."""

_EXTENSIONS = bytes([*range(0xC7, 0xCA), *range(0xD4, 0xD9)])
_OPENERS = CONTAINER_OPENERS + _EXTENSIONS


def openers(head: bytes) -> int:
    """How many bytes could open a container or an extension.

    A text in another script contains some of them as well: a small count proves that a value is shallow, a large one
    proves nothing.
    """
    return len(head) - len(head.translate(None, _OPENERS))


def extensions(head: bytes) -> int:
    """How many bytes could begin an extension; as `openers`, a bound and not the number."""
    return len(head) - len(head.translate(None, _EXTENSIONS))
