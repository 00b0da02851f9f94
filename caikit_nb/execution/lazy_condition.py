"""A condition variable of which there may be very many."""

from __future__ import annotations

import threading


class LazyCondition:
    """Like ``threading.Condition`` in what futures do with it, and small: a tenth of its size.

    It holds a real one only once somebody has had to wait.
    """

    __slots__ = ("_condition", "_lock")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._condition: threading.Condition | None = None

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock."""
        return self._lock.acquire(blocking, timeout)

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def __enter__(self) -> bool:
        return self._lock.__enter__()

    def __exit__(self, *error: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is notified; False if `timeout` seconds were over first."""
        if self._condition is None:  # whoever calls holds the lock
            self._condition = threading.Condition(self._lock)
        return self._condition.wait(timeout)

    def notify_all(self) -> None:
        """Wake everybody who waits."""
        if self._condition is not None:
            self._condition.notify_all()
