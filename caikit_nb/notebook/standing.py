"""How jobs stand at one moment: all of a session, or those of one cell."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.queue import JobQueue
from caikit_nb.jobs.states import JobStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """The jobs at one moment.

    Attributes:
        jobs: All, oldest first.
        queue: Where some of them wait.
        positions: The place of each that waits for a worker, from 1.
        active: The state of each that has not ended, oldest first.
        counts: How many are in each state.
    """

    jobs: list[Job]
    queue: JobQueue
    positions: dict[Job, int]
    active: dict[Job, JobStatus]
    counts: Counter[JobStatus]

    @property
    def has_active(self) -> bool:
        """Whether a job waits or runs."""
        return bool(self.active)

    @property
    def ended(self) -> list[Job]:
        """Those that have ended, oldest first."""
        return [job for job in self.jobs if job not in self.active]


class Census:
    """Looks at jobs again and again, at those that have ended only once: there may be very many.

    Args:
        queue: Where some of them wait.
    """

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._ended: set[Job] = set()
        self._ended_counts: Counter[JobStatus] = Counter()

    def take(self, jobs: list[Job]) -> Standing:
        """How these jobs stand now, which are all that there are."""
        with self._lock:
            active = self._look(jobs)
            if len(self._ended) + len(active) != len(jobs):  # some are no more
                self._ended, self._ended_counts = set(), Counter()
                active = self._look(jobs)
            counts = self._ended_counts + Counter(active.values())
        return Standing(jobs, self._queue, self._queue.positions(), active, counts)

    def _look(self, jobs: Sequence[Job]) -> dict[Job, JobStatus]:
        active = {}
        for job in [job for job in jobs if job not in self._ended]:
            status = job.status
            if status.is_terminal:  # and that is final
                self._ended.add(job)
                self._ended_counts[status] += 1
            else:
                active[job] = status
        return active
