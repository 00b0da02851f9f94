"""What this process, and an object in it, holds of memory."""

from __future__ import annotations

import os
from pathlib import Path
from pickle import PickleBuffer
from typing import Any

from caikit_nb.execution.pickler import Pickler

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def private_bytes() -> int:
    """Resident memory that is no file's and shared with nobody; 0 where that can't be told."""
    try:
        _, resident, shared, *_ = Path("/proc/self/statm").read_text("ascii").split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE_BYTES


def pickled_bytes(value: object) -> int:
    """How large a value is when it is pickled; nothing is kept of that."""
    counter = _Counter()
    pickler = Pickler(counter, protocol=5, buffer_callback=counter.take)
    pickler.dump(value)
    return counter.count


class _Counter:
    """A file that only counts."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, data: Any) -> int:
        size = len(data)
        self.count += size
        return size

    def take(self, buffer: PickleBuffer) -> None:
        self.count += buffer.raw().nbytes
