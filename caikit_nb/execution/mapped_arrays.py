"""How an array that is mapped from a file goes to another process of this machine: as the map.

NumPy pickles a copy. What a job writes into one is in no file, and a map is often larger than
memory.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

# What is seen by all who map the file. "c" is private to its process, and goes as a copy.
_SHARED_MODES = {"r": "r", "r+": "r+", "w+": "r+"}


def reduced(obj: Any) -> Any:
    """What pickle's ``reducer_override`` returns for such an array; NotImplemented for all else."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(obj) not in (numpy.memmap, numpy.ndarray) or obj.dtype.hasobject:
        return NotImplemented
    whole = _whole(obj, numpy.memmap)
    if whole is None or whole.mode not in _SHARED_MODES:
        return NotImplemented
    if whole.filename is None or not os.path.exists(whole.filename):  # a temporary file
        return NotImplemented
    begin = obj.__array_interface__["data"][0]
    offset_bytes = whole.offset + begin - whole.__array_interface__["data"][0]
    low_bytes, length_bytes = _span(obj)
    if length_bytes == 0:
        return NotImplemented
    place = (str(whole.filename), _SHARED_MODES[whole.mode], offset_bytes + low_bytes, length_bytes)
    layout = (obj.dtype, obj.shape, obj.strides, -low_bytes)
    return _mapped, (place, layout, type(obj) is numpy.memmap, obj.flags.writeable)


def _whole(array: Any, memmap: Any) -> Any:
    """The array that the file was mapped as, of which this one is a part or a view; None if none.

    A view of a `memmap` has its attributes, also where an operation has made it a copy.
    """
    while array is not None:
        base = getattr(array, "base", None)
        if type(array) is memmap and array._mmap is not None and base is array._mmap:
            return array
        array = base
    return None


def _span(array: Any) -> tuple[int, int]:
    """Where its bytes begin, counted from its first item, and how many they are."""
    if array.size == 0:
        return 0, 0
    steps = [
        (length - 1) * stride for length, stride in zip(array.shape, array.strides, strict=True)
    ]
    low = sum(step for step in steps if step < 0)
    high = sum(step for step in steps if step > 0)
    return low, high - low + array.itemsize


def _mapped(
    place: tuple[str, str, int, int],
    layout: tuple[Any, tuple[int, ...], tuple[int, ...], int],
    is_memmap: bool,
    is_writeable: bool,
) -> Any:
    numpy: Any = importlib.import_module("numpy")
    file_name, mode, offset_bytes, length_bytes = place
    dtype, shape, strides, first = layout
    whole = numpy.memmap(file_name, "u1", mode, offset_bytes, (length_bytes,))
    made = numpy.ndarray(shape, dtype, whole, first, strides)
    if is_memmap:
        made = made.view(numpy.memmap)
        # `flush` and `filename` of a view are those of its map.
        made.__array_finalize__(whole)
    if made.flags.writeable and not is_writeable:
        made.flags.writeable = False
    return made
