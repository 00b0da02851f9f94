"""A budget of messages to the browser, shared by all cards of a session."""

from __future__ import annotations

import time


class Pace:
    """Says when there may be more messages.

    Args:
        per_s: How many there may be a second.
        burst: How many at once, after a quiet time.
    """

    def __init__(self, per_s: float = 36.0, burst: float = 24.0) -> None:
        self._per_s, self._burst = per_s, burst
        self._left, self._at = burst, 0.0

    def wait_s(self, now: float | None = None) -> float:
        """For how long there should be none; 0 if there may be one now.

        Args:
            now: On the monotonic clock.
        """
        now = time.monotonic() if now is None else now
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
        return max(0.0, (1.0 - self._left) / self._per_s)

    def spend(self, count: int) -> None:
        """So many were sent; more than there was room for is made up by waiting."""
        self._left -= count
