"""How all jobs of a session stand at one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.queue import JobQueue
from caikit_nb.jobs.states import JobStatus


@dataclass(frozen=True, slots=True)
class Standing:
    """The jobs at one moment.

    Attributes:
        jobs: All, oldest first.
        queue: Where some of them wait.
        positions: The place of each that waits for a worker, from 1.
        counts: How many are in each state.
    """

    jobs: list[Job]
    queue: JobQueue
    positions: dict[Job, int]
    counts: Counter[JobStatus]

    @classmethod
    def of(cls, futures: Sequence[JobFuture], queue: JobQueue) -> Standing:
        """How they stand now."""
        jobs = [future._job for future in futures]
        return cls(jobs, queue, queue.positions(), Counter(job.status for job in jobs))

    @property
    def has_active(self) -> bool:
        """Whether a job waits or runs."""
        return any(not status.is_terminal for status in self.counts)
