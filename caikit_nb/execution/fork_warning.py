"""Python's warning of a fork beside other threads: when to fork is what this package decides."""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Iterator

_TEXT = r"This process .* is multi-threaded, use of fork"


class _Here(threading.local):
    """What this thread has changed while it forks."""

    filters: warnings.catch_warnings[None] | None = None


_here = _Here()


@contextlib.contextmanager
def unwarned() -> Iterator[None]:
    """A fork inside isn't warned of; its child has the user's own filters.

    Where warnings are errors, Python 3.15 raises it when the child is there already, whose number
    nobody gets to know then.
    """
    filters = warnings.catch_warnings()
    with filters:
        warnings.filterwarnings("ignore", _TEXT, DeprecationWarning)
        _here.filters = filters
        try:
            yield
        finally:
            _here.filters = None


def _give_back() -> None:
    if _here.filters is not None:
        filters, _here.filters = _here.filters, None
        filters.__exit__(None, None, None)


os.register_at_fork(after_in_child=_give_back)
