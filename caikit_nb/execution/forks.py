"""Whether this process was forked since, for what has threads and locks of its own.

A fork brings no threads along, and locks in any state. Who looks here before its next use costs a
forked child nothing until then: to set everything up anew right after each fork would copy the
pages on which it lies, which takes longer than the fork of a small job.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable


class _Forks:
    """How many forks lie between the first process and this one.

    Attributes:
        lock: Held while an object begins anew; its parts may begin anew within that.
    """

    def __init__(self) -> None:
        self.count, self.lock = 0, threading.RLock()

    def after_in_child(self) -> None:
        """One more."""
        self.count, self.lock = self.count + 1, threading.RLock()


forks = _Forks()
os.register_at_fork(after_in_child=forks.after_in_child)


def only_here(function: Callable[..., object]) -> Callable[..., None]:
    """The function, which does nothing in processes that are forked off this one."""
    born = forks.count

    @functools.wraps(function)
    def call(*args: object) -> None:
        if forks.count == born:
            function(*args)

    return call


class NewInFork:
    """Begins anew in a forked process.

    Each method that others call begins with ``self._know_fork()``.
    """

    def __init__(self) -> None:
        self._forks = forks.count
        self._reset()

    def _reset(self) -> None:
        """Begin, or begin anew."""
        raise NotImplementedError

    def _know_fork(self) -> None:
        if self._forks != forks.count:
            with forks.lock:
                if self._forks != forks.count:
                    self._reset()
                    self._forks = forks.count
