"""How numpy arrays and scalars travel: a description of their type, their shape, and their bytes as they lie.

numpy is imported only where an array is met. Types that hold Python objects are refused in both directions.
"""

from __future__ import annotations

import math
import re
import sys
from typing import Any, NamedTuple

from pulsing.exceptions import NotSendable

_SIMPLE_TYPE = re.compile(r"[<>|=][biufcSUVMm][0-9]*(\[[0-9A-Za-z]+\])?")
_KINDS = frozenset("biufcSUVMm")


class ArrayParts(NamedTuple):
    """An array taken apart."""

    descr: Any
    """numpy's own description of the element type: a text, or a list of fields."""

    shape: list[int]
    order: str
    """"C" or "F": how the bytes lie."""

    data: bytes
    """A snapshot, so that the sender may go on writing to the array."""


def is_array(cls: type) -> bool:
    """Whether `cls` is numpy's array class itself. Subclasses carry more than their elements."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and cls is numpy.ndarray


def is_scalar(cls: type) -> bool:
    """Whether `cls` is one of numpy's scalar classes."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and cls.__module__ == "numpy" and issubclass(cls, numpy.generic)


def take_apart(array: Any) -> ArrayParts:
    """Describe an array or a scalar.

    Raises:
        NotSendable: the element type holds objects, or does not survive its description.
    """
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    data = array.tobytes(order) if array.dtype.itemsize else b""
    return ArrayParts(_describe(array.dtype), list(array.shape), order, data)


def build_array(descr: Any, shape: Any, order: Any, data: bytearray | memoryview) -> Any:
    """Make an array over `data`, which it keeps and writes to.

    Raises:
        ValueError, TypeError: the parts do not fit each other, or the type is not one that travels.
        ImportError: numpy is not installed here.
    """
    import numpy

    dtype = _dtype(descr)
    if order not in ("C", "F") or type(shape) is not list or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError("an array has a shape of whole numbers and order C or F")
    # What numpy calls a text of no letters takes the room of one in an array.
    itemsize = dtype.itemsize or (1 if dtype.kind in "SU" else 0)
    if math.prod(shape) * itemsize != len(data):
        raise ValueError("the bytes of the array do not fit its shape")
    if not data:
        return numpy.empty(shape, dtype, order)
    return numpy.ndarray(shape, dtype, data, order=order)


def build_scalar(descr: Any, data: bytearray | memoryview) -> Any:
    """Make a scalar.

    Raises:
        ValueError, TypeError, ImportError: as `build_array`.
    """
    if not data:
        # No array has elements of size 0: an empty text in one takes the room of one letter.
        return _dtype(descr).type()
    return build_array(descr, [], "C", data)[()]


def _describe(dtype: Any) -> Any:
    """The description that `_dtype` reads, checked to lead back to the same type."""
    from numpy.lib import format as numpy_format

    try:
        descr = numpy_format.dtype_to_descr(dtype)
        restored = _dtype(descr)
    except (TypeError, ValueError):
        restored = None
    if restored is None or restored != dtype or restored.type is not dtype.type:
        raise NotSendable(f"numpy dtype {dtype}")
    return descr


def _dtype(descr: Any) -> Any:
    from numpy.lib import format as numpy_format

    _check_description(descr)
    dtype = numpy_format.descr_to_dtype(descr)
    if dtype.hasobject or dtype.kind not in _KINDS:
        raise ValueError("the element type is not one that travels")
    return dtype


def _check_description(descr: Any) -> None:
    """Let pass only what numpy describes types with: its readers also take texts with meanings of their own."""
    if isinstance(descr, str):
        if not _SIMPLE_TYPE.fullmatch(descr):
            raise ValueError("not the name of an element type")
    elif isinstance(descr, tuple):
        inner, shape = descr
        _check_description(inner)
        if not isinstance(shape, tuple) or not all(type(size) is int and 0 <= size < 1 << 31 for size in shape):
            raise ValueError("not the shape of a field")
    elif isinstance(descr, list):
        for field in descr:
            if not isinstance(field, tuple) or len(field) not in (2, 3):
                raise ValueError("not a field of an element type")
            _check_description(field[1] if len(field) == 2 else (field[1], field[2]))
    else:
        raise ValueError("not an element type")
