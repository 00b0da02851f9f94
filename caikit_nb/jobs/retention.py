"""How long results are kept, and how many: a timer ends it, for every kind of end alike."""

from __future__ import annotations

import functools
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from caikit_nb.execution.forks import forks
from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.execution.watcher import Timer, watcher
from caikit_nb.jobs.durations import format_duration
from caikit_nb.jobs.job import Expiry, Job

# Files are deleted here, so that a slow disk can't hold up the watcher.
_expiries = SerialThread("caikit_nb retention")
_expiring = threading.RLock()
_OUTDONE = Expiry("newer results took its place", "for newer ones")
_UNHELD = Expiry("nobody holds its future any more", "with its future")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept of jobs that have ended; None for as much as there is.

    Attributes:
        max_results: How many jobs' results.
        max_bytes: How many bytes they may hold together. The newest result stays whatever its
            size, or it could never be fetched.
    """

    max_results: int | None = None
    max_bytes: int | None = None


class Kept(Protocol):
    """What `overflow` looks at."""

    @property
    def pinned(self) -> bool:
        """Whether it stays."""

    @property
    def size_bytes(self) -> int:
        """What it holds."""


K = TypeVar("K", bound=Kept)


def overflow(kept: Iterable[K], limits: Limits, count: int, held_bytes: int) -> list[K]:
    """What has to go, of results in the order of their jobs' ends; the oldest go first.

    Pinned ones stay, and what they hold isn't counted. It looks only at the oldest: there may be
    very many, and this is asked at each job's end.

    Args:
        kept: The results.
        limits: How much may stay.
        count: How many of the results aren't pinned.
        held_bytes: What these hold.
    """
    gone = []
    for result in kept:
        too_many = limits.max_results is not None and count > limits.max_results
        too_large = limits.max_bytes is not None and held_bytes > limits.max_bytes
        if count <= 1 or not (too_many or too_large):
            break
        if not result.pinned:
            gone.append(result)
            count -= 1
            held_bytes -= result.size_bytes
    return gone


@dataclass(slots=True, eq=False)
class _Result:
    """What is kept of a job.

    Attributes:
        job: The job.
        size_bytes: What it held when it had ended.
        pinned: Whether it was pinned when that was last looked at.
        timer: Ends the keeping; None if nothing does.
    """

    job: Job
    size_bytes: int
    pinned: bool
    timer: Timer | None = None

    def plan(self) -> None:
        """End the keeping when its time is over."""
        if self.timer is not None:
            self.timer.cancel()
        kept_s = self.job.kept_s
        due = None if kept_s is None else self.job.times.after_end(kept_s)
        self.timer = None if due is None else watcher.call_at(due, self._end)

    def _end(self) -> None:
        _expiries.put(functools.partial(expire_if_due, self.job))


def held_bytes(job: Job) -> dict[str, int]:
    """What a job holds, in bytes: ``result``, ``displays`` and ``log``."""
    return {
        "result": 0 if job.values is None else job.values.size_bytes,
        "displays": sum(attempt.displays.held_bytes for attempt in job.attempts),
        "log": sum(attempt.log.held_bytes for attempt in job.attempts),
    }


class Retention:
    """Keeps the results of a session's jobs, and drops them.

    Args:
        limits: Asked anew each time, as the settings may change.
    """

    def __init__(self, limits: Callable[[], Limits] = Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._kept: dict[Job, _Result] = {}
        self._loose_count = self._loose_bytes = 0  # of those that aren't pinned

    def keep(self, job: Job) -> None:
        """Look after a job that has not ended."""
        job.on_gone.append(self._ended)
        job.on_expired.append(self._forget)
        job.on_retention.append(self._look_again)

    def _ended(self, job: Job) -> None:
        result = _Result(job, sum(held_bytes(job).values()), job.pinned)
        with self._lock:
            self._kept[job] = result
            self._count(result, 1)
            result.plan()
        if job.expired is not None:  # it was purged the moment it had ended
            self._forget(job)
        self.apply_limits()

    def _count(self, result: _Result, sign: int) -> None:
        if not result.pinned:
            self._loose_count += sign
            self._loose_bytes += sign * result.size_bytes

    def _forget(self, job: Job) -> None:
        with self._lock:
            result = self._kept.pop(job, None)
            if result is not None:
                self._count(result, -1)
                if result.timer is not None:
                    result.timer.cancel()

    def apply_limits(self) -> None:
        """Drop what is more than the limits allow, as when they have changed."""
        limits = self._limits()
        if limits == Limits():
            return
        with self._lock:
            kept = self._kept.values()
            gone = overflow(kept, limits, self._loose_count, self._loose_bytes)
        for result in gone:
            _expiries.put(functools.partial(_expire, result.job, _OUTDONE))

    def _look_again(self, job: Job) -> None:
        """It was pinned or is not any more, or has ended at another time: what is overdue goes."""
        with self._lock:
            result = self._kept.get(job)
            if result is None:
                return
            self._count(result, -1)
            result.pinned = job.pinned
            self._count(result, 1)
            result.plan()
        self.apply_limits()


def expire_if_due(job: Job) -> bool:
    """Drop what a job holds if its time is over.

    Returns:
        Whether it has expired. Then all that it held is gone, whoever has dropped it.
    """
    kept_s = job.kept_s
    due = None if kept_s is None else job.times.after_end(kept_s)
    if kept_s is not None and due is not None and due <= time.monotonic():
        kept = format_duration(kept_s)
        _expire(job, Expiry(f"it was kept for {kept} after the job had ended", f"after {kept}"))
    if job.expired is None:
        return False
    with _expiring:  # somebody else may be at it
        return True


def drop_with(holder: object, job: Job) -> None:
    """Drop all that a job holds once it has ended and `holder` is gone: its future.

    The job holds its future until its end, so that nobody need wait for the one to drop the other.
    """
    _expiries.start()
    weakref.finalize(holder, _let_go, job, forks.count).atexit = False


def _let_go(job: Job, born_after_forks: int) -> None:
    """Called in any thread between any two steps of it: no lock may be taken here."""
    if forks.count == born_after_forks:  # the files are the parent's
        job.drop_values()
        job.pinned = False
        _expiries.put(functools.partial(_expire, job, _UNHELD))


def _expire(job: Job, expiry: Expiry) -> None:
    with _expiring:
        if job.expired is None and not job.pinned:
            job.expire(expiry)
