"""How long an attempt may run."""

from __future__ import annotations

from collections.abc import Callable

from caikit_nb.errors import JobTimeoutError
from caikit_nb.execution.watcher import Timer, watcher


class TimeLimit:
    """Runs from `start` on, for one attempt after another.

    Args:
        limit_s: None for no limit.
        on_over: Called in the watcher's thread when it is over.

    Attributes:
        was_passed: Whether the attempt was ended for it.
    """

    __slots__ = ("_limit_s", "_on_over", "_timer", "was_passed")

    def __init__(self, limit_s: float | None, on_over: Callable[[], object]) -> None:
        self._limit_s, self._on_over = limit_s, on_over
        self._timer: Timer | None = None
        self.was_passed = False

    def start(self) -> None:
        """The time runs."""
        self.was_passed = False
        if self._limit_s is not None:
            self._timer = watcher.call_later(self._limit_s, self._on_over)

    def stop(self) -> None:
        """The attempt has ended."""
        if self._timer is not None:
            self._timer.cancel()

    def error(self) -> JobTimeoutError | None:
        """What the attempt has failed of if it passed the limit, also if it returned then."""
        return JobTimeoutError(self._limit_s or 0.0) if self.was_passed else None
