"""The kinds of files, for questions about an object's type.

The classes of `io` are abstract ones: to ask them about a class hashes and compares that class,
which the user's own metaclass may not allow. Each has a plain class as its base.
"""

from __future__ import annotations

import io


def _plain(kind: type) -> type:
    return next(base for base in kind.__mro__ if type(base) is type)


FILE = _plain(io.IOBase)
TEXT = _plain(io.TextIOBase)
BUFFERED = _plain(io.BufferedIOBase)
RAW = _plain(io.RawIOBase)
