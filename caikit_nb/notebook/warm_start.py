"""When the fork server starts, from which fresh interpreters are forked."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable

from caikit_nb.backends.local_backend import warm_up
from caikit_nb.execution.watcher import Timer, watcher

# What a fresh interpreter begins with if the kernel has it. NumPy doesn't load its generators by
# itself, and each job seeds them.
_PRELOADED_IF_LOADED = {
    "numpy": "numpy.random",
    "pandas": "pandas",
    "matplotlib.pyplot": "matplotlib.pyplot",
    "sklearn": "sklearn",
}
_IDLE_S = 1.0


class WarmStart:
    """Starts the fork server when the kernel has been idle for a second; a job may do so earlier.

    By then the notebook has usually imported what it works with, which the server imports too.
    A kernel that runs one cell after the other without such a job never pays for a server.
    """

    def __init__(self, first: list[str], then: Callable[[], list[str]]) -> None:
        self._first, self._then = first, then
        self._is_over = False
        self._timer: Timer | None = None
        self._choose_modules()

    def begin_cell(self) -> None:
        """The kernel is busy."""
        if self._timer is not None:
            self._timer.cancel()

    def end_cell(self) -> None:
        """The kernel is idle until the next cell begins."""
        if not self._is_over:
            self._choose_modules()
            self.begin_cell()
            self._timer = watcher.call_later(_IDLE_S, self._start)

    def _choose_modules(self) -> None:
        loaded = [name for has, name in _PRELOADED_IF_LOADED.items() if has in sys.modules]
        multiprocessing.set_forkserver_preload([*self._first, *loaded, *self._then()])

    def _start(self) -> None:
        self._is_over = True
        warm_up()

    def close(self) -> None:
        """Start nothing any more."""
        self._is_over = True
        self.begin_cell()
