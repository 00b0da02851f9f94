"""An event that happens once; of those that have happened there may be very many."""

from __future__ import annotations

import os
import threading


class Latch:
    """Like ``threading.Event`` without a way back, and small: a tenth of its size.

    It holds a real event only while somebody waits.
    """

    __slots__ = ("_event", "_is_set")

    def __init__(self) -> None:
        self._is_set = False
        self._event: threading.Event | None = None

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._is_set

    def set(self) -> None:
        """Let it happen; whoever waits goes on."""
        with _lock:
            self._is_set = True
            event, self._event = self._event, None
        if event is not None:
            event.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has happened; False if `timeout` seconds were over first."""
        with _lock:
            if self._is_set:
                return True
            event = self._event = self._event or threading.Event()
        return event.wait(timeout)


_lock = threading.Lock()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
