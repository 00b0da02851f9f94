"""When a program ends, what it has started ends with it."""

from __future__ import annotations

import atexit
import os
import time
from typing import Protocol

# Before ours is registered, so that it runs after it: it waits for every process without end.
import multiprocessing.util  # noqa: F401  isort: skip

_LONGEST_WAIT_S = 5.0


class Living(Protocol):
    """A process of ours."""

    def kill_soon(self) -> None:
        """End it and all that it started; returns at once."""

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""


living: set[Living] = set()  # those that were started and have not ended


def _end_all() -> None:
    for process in list(living):
        process.kill_soon()
    give_up = time.monotonic() + _LONGEST_WAIT_S
    for process in list(living):
        process.join(max(0.0, give_up - time.monotonic()))


atexit.register(_end_all)
os.register_at_fork(after_in_child=living.clear)
