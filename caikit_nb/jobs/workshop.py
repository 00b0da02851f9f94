"""What the jobs of one owner share: their directory, queue, retention and events."""

from __future__ import annotations

import dataclasses
import functools
import os
import sys
import threading
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from caikit_nb.backends.base import BackendBase, Running, Task
from caikit_nb.execution import guard
from caikit_nb.execution.guardian import guardian
from caikit_nb.jobs import paths, saved_results
from caikit_nb.jobs.attempt import Attempt
from caikit_nb.jobs.events import Events
from caikit_nb.jobs.job import Expiry, Job
from caikit_nb.jobs.job_spec import JobSpec
from caikit_nb.jobs.queue import JobQueue
from caikit_nb.jobs.retention import Limits, Retention

_UNBOUNDED = sys.maxsize


class Workshop:
    """Every kind of job is made and started here.

    Args:
        max_workers: How many jobs may run at once; asked anew each time.
        why_wait: Why no further job should start now; None if one may.
        limits: How many results are kept; asked anew each time.
    """

    def __init__(
        self,
        max_workers: Callable[[], int] = lambda: _UNBOUNDED,
        why_wait: Callable[[], str | None] = lambda: None,
        limits: Callable[[], Limits] = Limits,
    ) -> None:
        self.events = Events()
        self.queue = JobQueue(max_workers, why_wait)
        self.retention = Retention(limits)
        self._directory: Path | None = None
        self._making_directory = threading.Lock()

    @property
    def directory(self) -> Path:
        """Where the jobs' own files lie; made with the first use, gone with this process."""
        with self._making_directory:
            if self._directory is None:
                self._directory = paths.make_session_directory()
                guardian.remove_at_end(str(self._directory))
            return self._directory

    def make_job(self, spec: JobSpec) -> Job:
        """A new job that has not started, with a place for its files."""
        # Not named by its id, which may be used again.
        return Job(spec, self.directory / uuid.uuid4().hex[:12])

    def start(
        self,
        job: Job,
        tasks: Callable[[int], Task],
        *,
        backend: BackendBase,
        before_start: Callable[[Job], object] = lambda _: None,
        after: Iterable[Job] = (),
    ) -> None:
        """Start a job, or have it wait for its turn; if this raises, nothing of it has run.

        Args:
            job: A new one.
            tasks: Makes the task of an attempt.
            backend: Where it runs.
            before_start: Called with the job before it can start.
            after: The jobs that it follows.

        Raises:
            UnpicklableError: an input can't cross to a fresh interpreter.
            ValueError: there can be no such directory to save in.
        """
        self.retention.keep(job)
        try:
            job.prepare(lambda attempt: _make(job, backend, attempt, tasks))
            _make_place(job)
            before_start(job)
        except BaseException:
            job.cancel("it could not be submitted", at_once=True)
            job.expire(Expiry("it could not be submitted", "at its submission"))
            raise
        job.submitted(self.events)
        self.queue.put(job, after=after)
        job.changed()

    def close(self) -> None:
        """Delete the directory."""
        if self._directory is not None:
            guard.remove_marked_directory(str(self._directory))


def _make(
    job: Job, backend: BackendBase, attempt: Attempt, tasks: Callable[[int], Task]
) -> Running:
    first = job.attempts[0].running
    running = backend.submit(tasks(attempt.number), attempt, like=first)
    sealed = getattr(running, "sealed", None)
    if sealed is not None:
        job.spec = dataclasses.replace(job.spec, shipped=sealed.sizes)
    return running


def _make_place(job: Job) -> None:
    """Make the directory that the job saves in, if it is to have one of its own."""
    directory = job.spec.id_directory
    if directory is not None and saved_results.claim(directory, job):
        job.on_expired.append(lambda _: saved_results.remove(directory, job))


@functools.cache
def shared_workshop() -> Workshop:
    """This process's workshop for jobs that start at once."""
    return Workshop()


# A forked child has none of the parent's jobs; its own workshop would be a new one.
os.register_at_fork(after_in_child=shared_workshop.cache_clear)
