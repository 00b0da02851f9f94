"""What runs jobs on this machine for somebody else, and knows their futures by id."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from caikit_nb.errors import JobNotFoundError
from caikit_nb.jobs import local_job_future
from caikit_nb.jobs.durations import parse_duration
from caikit_nb.jobs.job_base import JobBase
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.job_ids import make_job_id
from caikit_nb.jobs.registry import JobRegistry
from caikit_nb.jobs.retention import expire_if_due
from caikit_nb.jobs.save_paths import check_id
from caikit_nb.jobs.workshop import Workshop, shared_workshop

F = TypeVar("F", bound=local_job_future.LocalJobFuture)


class LocalJobBase(JobBase):
    """Runs jobs on this machine (contracts J16 to J19).

    A subclass makes its futures in `start_future`.

    Args:
        config: Its settings. ``retention_duration`` says how long a job's result is kept once it
            has ended (`parse_duration`); for ever if it is None or isn't there.
        instance_name: What it is called. The ids of its jobs carry it.
        workshop: Where its jobs are made; this process's, in which they start at once, if None.

    Raises:
        ValueError: a wrong ``retention_duration``.
    """

    LocalJobFuture = local_job_future.LocalJobFuture

    JOB_WORD = "job"
    """What a job is called in an error's text."""
    ID_WORD = "background_id"
    """What its id is called there."""
    _KEEPS_RECORDS = False
    """Whether a job is known further when its retention is over."""

    def __init__(
        self,
        config: Mapping[str, Any],
        instance_name: str,
        *,
        workshop: Workshop | None = None,
    ) -> None:
        super().__init__(config, instance_name)
        self._retention_duration = _parse_retention(config.get("retention_duration"))
        self.registry = JobRegistry()
        self._workshop = workshop or shared_workshop()
        self._reserving = threading.Lock()
        self._reserved: set[str] = set()

    def start_future(self, make: Callable[[str], F], future_id: str | None = None) -> F:
        """Start a job and keep its future.

        Of several calls at once with one id exactly one makes a future. An id may be used again
        once its job has ended; the new future then takes the old one's place.

        Args:
            make: Called with the id; makes the future, whose work starts by that.
            future_id: An id of the caller's; a new one if None (contracts J8, J23).

        Returns:
            The future.

        Raises:
            ValueError: a job of that id has not ended, or the id is none.
            Exception: what `make` raises.
        """
        job_id = check_id(make_job_id(self.instance_name) if future_id is None else future_id)
        with self._reserve(job_id):
            future = self._at_home(make, job_id)
            if future.id != job_id:
                raise ValueError(f"make() was asked for the id {job_id!r}, not {future.id!r}")
            self.registry.add(future)
            self._forget_when_expired(future)
        return future

    def get_local_future(self, id: str) -> JobFuture:
        """The future of that id, always the same object (contracts J19).

        Raises:
            JobNotFoundError: there is none, or its retention is over.
        """
        future = self.registry.by_id(id)
        if future is None or self._is_over(future):  # the timer may be just about to end it
            raise JobNotFoundError(id, self.ID_WORD)
        return future

    def _purge_old_futures(self) -> None:
        """Drop the jobs whose retention is over, with what they saved (contracts J18).

        Timers do the same; this does it now, and looks at every job for it.
        """
        for future in self.registry.all():
            self._is_over(future)

    def _is_over(self, future: JobFuture) -> bool:
        """Whether its retention is over; then it is forgotten, and all of it is gone."""
        if not expire_if_due(future._job) or self._KEEPS_RECORDS:
            return False
        self.registry.discard(future)
        return True

    @contextlib.contextmanager
    def _reserve(self, job_id: str) -> Iterator[None]:
        with self._reserving:
            old = self.registry.by_id(job_id)
            if job_id in self._reserved or (old is not None and not old.status.is_terminal):
                raise ValueError(
                    f"Cannot restart {self.JOB_WORD} with id {job_id}: it is still running. "
                    "Cancel it, wait for it, or use another id"
                )
            self._reserved.add(job_id)
        try:
            yield
        finally:
            with self._reserving:
                self._reserved.discard(job_id)

    def _at_home(self, make: Callable[[str], F], job_id: str) -> F:
        """Make a future, in our workshop and with our retention."""
        here = local_job_future.Home(self._workshop, self._retain())
        token = local_job_future.home.set(here)
        try:
            return make(job_id)
        finally:
            local_job_future.home.reset(token)

    def _retain(self) -> timedelta | None:
        """How long results are kept."""
        return self._retention_duration

    def _forget_when_expired(self, future: JobFuture) -> None:
        if self._KEEPS_RECORDS:
            return
        forget = functools.partial(self.registry.discard, future)
        future._job.on_expired.append(lambda _: forget())
        if future._job.expired is not None:  # before it could tell us
            forget()


def _parse_retention(value: object) -> timedelta | None:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f"Invalid retention_duration: {error}") from None
