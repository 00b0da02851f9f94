"""First in, first out, and never more at once than there are workers."""

from __future__ import annotations

import contextlib
import functools
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.states import JobStatus

NEAR = 20
"""To how many that wait their place is told."""

_LOOK_AGAIN_S = 1.0
_ENDS = {
    JobStatus.ERRORED: "failed",
    JobStatus.CANCELED: "was cancelled",
    JobStatus.PRUNED: "was pruned",
}


class JobQueue:
    """Starts jobs in the order of their submission.

    A job that follows others takes its place when these have completed. One whose backend has a
    queue of its own goes there at once, and takes no worker here.

    Args:
        max_workers: Asked anew each time, as the setting may change.
        why_wait: Says why no further job should start now, in one line; None if one may. It is
            asked only while other jobs run: one always may.
    """

    def __init__(
        self, max_workers: Callable[[], int], why_wait: Callable[[], str | None] = lambda: None
    ) -> None:
        self._max_workers, self._why_wait = max_workers, why_wait
        self._lock = threading.Lock()
        self._following: dict[Job, list[Job]] = {}
        self._waiting: dict[Job, None] = {}  # in order
        self._outgoing: deque[Job] = deque()  # to a queue of their backend's
        self._running: set[Job] = set()
        self._at_least: list[int] = []
        self._looks_again = self._has_moved = False
        self.waits_because: str | None = None
        # Called, by whoever it was, when a job has left its place among the waiting: be quick.
        self.on_moved: list[Callable[[], object]] = []

    def put(self, job: Job, after: Iterable[Job] = ()) -> None:
        """Take a job; it starts at once if a worker is free and it follows nobody.

        Args:
            job: One that has not started.
            after: The jobs that must have completed before.
        """
        job.on_gone.append(self._leave)
        before = list(dict.fromkeys(after))
        with self._lock:
            if before:
                self._following[job] = list(before)
            else:
                self._line_up(job)
        for other in before:
            other.on_gone.append(functools.partial(self._check, job))
            if other.ended.is_set():  # it may have ended before it could hear of us
                self._check(job, other)
        self.start_next()

    def _check(self, job: Job, other: Job) -> None:
        """`other`, which `job` follows, has ended."""
        if other.status is not JobStatus.COMPLETED:
            what = _ENDS.get(other.status, "did not complete")
            job.cancel(f"cancelled: it comes after job {other.spec.name!r}, which {what}")
            return
        with self._lock:
            left = self._following.get(job, [])
            if other in left:
                left.remove(other)
            if left or job not in self._following:
                return
            del self._following[job]
            self._line_up(job)
        job.changed()
        self.start_next()

    def _line_up(self, job: Job) -> None:
        if job.spec.has_own_queue:
            self._outgoing.append(job)
        else:
            self._waiting[job] = None

    def place(self, job: Job) -> int | None:
        """Its place among the waiting, from 1; None if it isn't waiting for a worker.

        From `NEAR` + 1 on they all have that: so a step of the queue concerns a few of them only.
        """
        with self._lock:
            if job not in self._waiting:
                return None
            near = itertools.islice(self._waiting, NEAR)
            return next((at for at, other in enumerate(near, 1) if other is job), NEAR + 1)

    def next_places(self) -> dict[Job, int]:
        """`place` of those that a step of the queue concerns."""
        with self._lock:
            return dict(zip(itertools.islice(self._waiting, NEAR), itertools.count(1)))

    def positions(self) -> dict[Job, int]:
        """The place, not only to `NEAR`, of every job that waits for a worker."""
        with self._lock:
            return {job: at for at, job in enumerate(self._waiting, start=1)}

    def follows(self, job: Job) -> list[Job]:
        """The jobs that it still waits for."""
        with self._lock:
            return list(self._following.get(job, ()))

    @contextlib.contextmanager
    def at_least(self, workers: int) -> Iterator[None]:
        """Inside, so many jobs run at once even if the setting allows fewer."""
        with self._lock:
            self._at_least.append(workers)
        try:
            yield
        finally:
            with self._lock:
                self._at_least.remove(workers)

    def start_next(self) -> None:
        """Start as many as there are free workers."""
        while (job := self._take()) is not None:
            if not job.start():
                with self._lock:
                    self._running.discard(job)
        with self._lock:
            has_moved, self._has_moved = self._has_moved, False
        if has_moved:
            for tell in self.on_moved:
                tell()

    def _take(self) -> Job | None:
        with self._lock:
            if self._outgoing:
                return self._outgoing.popleft()
            most = max((self._max_workers(), *self._at_least))
            if not self._waiting or len(self._running) >= most:
                return None
            self.waits_because = self._why_wait() if self._running else None
            if self.waits_because is not None:
                self._look_again()
                return None
            job = next(iter(self._waiting))
            del self._waiting[job]
            self._has_moved = True
            self._running.add(job)
            return job

    def _look_again(self) -> None:
        if not self._looks_again:
            self._looks_again = True
            watcher.call_later(_LOOK_AGAIN_S, self._look)

    def _look(self) -> None:
        with self._lock:
            self._looks_again = False
        self.start_next()
        with self._lock:
            waiting = list(self._waiting)
        for job in waiting:
            job.changed()

    def _leave(self, job: Job) -> None:
        with self._lock:
            self._running.discard(job)
            self._following.pop(job, None)
            self._has_moved |= job in self._waiting
            self._waiting.pop(job, None)
        self.start_next()
