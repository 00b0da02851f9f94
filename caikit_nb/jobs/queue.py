"""First in, first out, and never more at once than there are workers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from caikit_nb.jobs.job import Job


class JobQueue:
    """Starts jobs in the order of their submission.

    Args:
        max_workers: Asked anew each time, as the setting may change.
    """

    def __init__(self, max_workers: Callable[[], int]) -> None:
        self._max_workers = max_workers
        self._lock = threading.Lock()
        self._waiting: deque[Job] = deque()
        self._running: set[Job] = set()

    def put(self, job: Job) -> None:
        """Take a job; it starts at once if a worker is free."""
        job.on_gone.append(self._leave)
        with self._lock:
            self._waiting.append(job)
        self.start_next()

    def position(self, job: Job) -> int | None:
        """Its place among the waiting, from 1; None if it isn't waiting."""
        with self._lock:
            return self._waiting.index(job) + 1 if job in self._waiting else None

    def start_next(self) -> None:
        """Start as many as there are free workers."""
        while (job := self._take()) is not None:
            if not job.start():
                with self._lock:
                    self._running.discard(job)

    def _take(self) -> Job | None:
        with self._lock:
            if not self._waiting or len(self._running) >= self._max_workers():
                return None
            job = self._waiting.popleft()
            self._running.add(job)
            return job

    def _leave(self, job: Job) -> None:
        with self._lock:
            self._running.discard(job)
            if job in self._waiting:
                self._waiting.remove(job)
        self.start_next()
