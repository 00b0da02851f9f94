"""How long results are kept, and how many: a timer ends it, for every kind of end alike."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.execution.watcher import Timer, watcher
from caikit_nb.jobs.durations import format_duration
from caikit_nb.jobs.job import Job

# Files are deleted here, so that a slow disk can't hold up the watcher.
_expiries = SerialThread("caikit_nb retention")


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


def overflow(kept: Iterable[K], limits: Limits) -> list[K]:
    """What has to go, of results in the order of their jobs' ends; the oldest go first.

    Pinned ones stay, and what they hold isn't counted.
    """
    loose = [result for result in kept if not result.pinned]
    count, held_bytes = len(loose), sum(result.size_bytes for result in loose)
    gone = []
    for result in loose[:-1]:
        too_many = limits.max_results is not None and count > limits.max_results
        too_large = limits.max_bytes is not None and held_bytes > limits.max_bytes
        if not too_many and not too_large:
            break
        gone.append(result)
        count -= 1
        held_bytes -= result.size_bytes
    return gone


@dataclass(slots=True, eq=False)
class _Result:
    job: Job
    size_bytes: int

    @property
    def pinned(self) -> bool:
        return self.job.pinned


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
        self._timers: dict[Job, Timer] = {}

    def keep(self, job: Job) -> None:
        """Look after a job that has not ended."""
        job.on_gone.append(self._ended)
        job.on_expired.append(self._forget)
        job.on_pin.append(self._pinned)

    def _ended(self, job: Job) -> None:
        with self._lock:
            self._kept[job] = _Result(job, sum(held_bytes(job).values()))
        self._plan(job)
        self._limit()

    def _forget(self, job: Job) -> None:
        with self._lock:
            self._kept.pop(job, None)
            timer = self._timers.pop(job, None)
        if timer is not None:
            timer.cancel()

    def _plan(self, job: Job) -> None:
        if job.kept_s is None or (due := job.times.after_end(job.kept_s)) is None:
            return
        timer = watcher.call_at(due, lambda: _expiries.put(lambda: expire_if_due(job)))
        with self._lock:
            self._timers[job] = timer

    def _limit(self) -> None:
        limits = self._limits()
        if limits == Limits():
            return
        with self._lock:
            gone = overflow(self._kept.values(), limits)
            for result in gone:
                del self._kept[result.job]
        why = "newer results took its place"
        for result in gone:
            _expiries.put(functools.partial(_expire, result.job, why))

    def _pinned(self, job: Job) -> None:
        """It was pinned, or is not any more: then what is overdue goes at once."""
        if job.ended.is_set() and not job.pinned:
            self._plan(job)
            self._limit()


def expire_if_due(job: Job) -> None:
    """Drop what a job holds if its time is over."""
    kept_s = job.kept_s
    due = None if kept_s is None else job.times.after_end(kept_s)
    if kept_s is not None and due is not None and due <= time.monotonic():
        _expire(job, f"it was kept for {format_duration(kept_s)} after the job had ended")


def _expire(job: Job, why: str) -> None:
    if job.expired is None and not job.pinned:
        job.expire(why)
