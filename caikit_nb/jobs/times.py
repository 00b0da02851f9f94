"""When a job was submitted, started and ended: aware UTC for people, monotonic for durations."""

from __future__ import annotations

import datetime
import time


class Times:
    """The times of one job.

    Attributes:
        submitted_at: Aware UTC.
        started_at: When its first attempt began, aware UTC; None before.
        completed_at: When its last attempt ended, aware UTC; None before.
    """

    __slots__ = ("_ended", "_started", "completed_at", "started_at", "submitted_at")

    def __init__(self) -> None:
        self.submitted_at = _utc_now()
        self.started_at: datetime.datetime | None = None
        self.completed_at: datetime.datetime | None = None
        self._started = self._ended = 0.0

    def start(self) -> None:
        """It begins now."""
        self.started_at, self._started = _utc_now(), time.monotonic()

    def end(self) -> None:
        """It has ended now."""
        self._ended, self.completed_at = time.monotonic(), _utc_now()

    def end_at(self, when: datetime.datetime) -> None:
        """It has ended at another time than was recorded (contracts J15).

        Raises:
            ValueError: it has not ended.
        """
        if self.completed_at is None:
            raise ValueError("a job that has not ended has no completion time to change")
        when = when.astimezone(datetime.UTC)
        self._ended += (when - self.completed_at).total_seconds()
        self.completed_at = when

    @property
    def elapsed_s(self) -> float:
        """Seconds it has run so far, or ran in all; 0 before it started."""
        if not self._started:
            return 0.0
        return (self._ended or time.monotonic()) - self._started

    def after_end(self, seconds: float) -> float | None:
        """So many seconds after its end, on the monotonic clock; None before its end."""
        return self._ended + seconds if self._ended else None

    def date_after_end(self, seconds: float) -> datetime.datetime | None:
        """The same as a date; None also where the calendar ends."""
        try:
            return self.completed_at and self.completed_at + datetime.timedelta(seconds=seconds)
        except OverflowError:
            return None


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
