"""A condition variable of which there may be very many."""

from __future__ import annotations

import _thread
import threading


class LazyCondition(_thread.RLock):  # type: ignore[misc]
    """Like ``threading.Condition`` in what futures do with it, and small: a tenth of its size.

    It is a lock itself, and holds a real condition only once somebody has had to wait: so it is
    taken and given back by C code alone, in whose midst no interrupt can come.
    """

    __slots__ = ("_condition",)

    def __init__(self) -> None:
        self._condition: threading.Condition | None = None

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is notified; False if `timeout` seconds were over first."""
        if self._condition is None:  # whoever calls holds the lock
            self._condition = threading.Condition(self)
        return self._condition.wait(timeout)

    def notify_all(self) -> None:
        """Wake everybody who waits."""
        if self._condition is not None:
            self._condition.notify_all()
