"""The user's handle on a job: a real ``concurrent.futures.Future``, and awaitable."""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import Callable, Generator, Mapping
from typing import Any

from caikit_nb.errors import JobNotHereError, JobResultExpired, ReplayError, UnpicklableError
from caikit_nb.jobs.displays import Displays
from caikit_nb.jobs.job import Expiry, Job
from caikit_nb.jobs.job_base import JobFutureBase, JobInfo
from caikit_nb.jobs.job_info import info_of
from caikit_nb.jobs.lazy_future import LazyFuture
from caikit_nb.jobs.outputs import Made, Outputs
from caikit_nb.jobs.progress import Bar, Metrics
from caikit_nb.jobs.states import JobStatus

_process = object()  # another one in each copy of this process


def _become_another() -> None:
    global _process
    _process = object()


os.register_at_fork(after_in_child=_become_another)


_PURGED = Expiry("it was purged", "by a purge")


class JobFuture(LazyFuture, JobFutureBase):
    """A job as its user sees it. Made by `submit` and ``%%caikit_job``.

    It works with ``concurrent.futures.wait`` and ``as_completed``, with ``asyncio.wrap_future``,
    and with ``await``. Ending the waiting never ends the job; `cancel` does.
    """

    def __init__(self, job: Job) -> None:
        super().__init__()
        self._job, self._process = job, _process
        job.on_start.append(self._on_start)
        job.on_decided.append(self._on_decided)

    def __repr__(self) -> str:
        return f"<JobFuture {self._job.spec.name}: {self.status.word}>"

    def __await__(self) -> Generator[Any, None, Any]:
        # Shielded: giving up the waiting is no reason to end the job.
        return asyncio.shield(asyncio.wrap_future(self)).__await__()

    @property
    def id(self) -> str:
        """The job's id, unique in the session."""
        return self._job.spec.id

    @property
    def name(self) -> str:
        """The job's name."""
        return self._job.spec.name

    @property
    def start_method(self) -> str:
        """``fork``, ``forkserver``, ``spawn`` or ``thread``."""
        return self._job.spec.start_method

    @property
    def save_path(self) -> str | None:
        """Where the job saves; None if it doesn't (contracts J10)."""
        return self._job.spec.save_path

    @property
    def completion_time(self) -> datetime.datetime | None:
        """When the job ended, aware UTC; None before."""
        return self._job.times.completed_at

    @property
    def status(self) -> JobStatus:
        """The state."""
        return self._job.status

    def get_info(self) -> JobInfo:
        """The job at this moment; never blocks (contracts J3)."""
        return info_of(self._job)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the job has ended and nothing of it is left; never raises its error.

        Args:
            timeout: Seconds to wait; None without end.

        Returns:
            True once it has ended, False if the time was over first.
        """
        self._check_process()
        waiting = _nested_wait
        if waiting is not None and waiting(self, timeout):
            timeout = 0
        return self._job.ended.wait(timeout)

    def result(self, timeout: float | None = None) -> Any:
        """What the job returned: a cell's last expression, a function's return value.

        Args:
            timeout: Seconds to wait; None without end.

        Raises:
            TimeoutError: the job has not ended in that time.
            concurrent.futures.CancelledError: it was cancelled.
            JobResultExpired: its retention is over.
            JobDiedError: its process ended without an answer.
            UnpicklableError: its value can't cross to this process.
            BaseException: the job's own error, with the job's own traceback.
        """
        self._wait_for_outcome(timeout)
        value, error = self._load_outcome()
        if error is not None:
            try:
                raise error
            finally:
                del error  # an exception that holds the frame that holds it
        return value

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What `result` raises, None if it returns a value; waits like it.

        Raises:
            TimeoutError: the job has not ended in that time.
            concurrent.futures.CancelledError: it was cancelled.
        """
        self._wait_for_outcome(timeout)
        return self._load_outcome()[1]

    def add_done_callback(self, fn: Callable[[Any], object]) -> None:
        """See ``concurrent.futures.Future``; `await` and asyncio rest on it."""
        self._check_process()
        super().add_done_callback(fn)

    def _check_process(self) -> None:
        """In a forked copy nobody hears of the end of what runs in the parent."""
        if self._process is not _process and not self._job.ended.is_set():
            raise JobNotHereError(self.name)

    def _wait_for_outcome(self, timeout: float | None) -> None:
        self._check_process()
        waiting = _nested_wait
        if waiting is not None and waiting(self, timeout):
            timeout = 0
        self._wait_until_done(timeout)

    def _load_outcome(self) -> tuple[Any, BaseException | None]:
        if (expiry := self._expiry()) is not None:
            return None, expiry
        if (error := self._job.error()) is not None:
            return None, error
        return self._load_value()

    def _expiry(self) -> JobResultExpired | None:
        if self._job.expired is None:
            return None
        expiry = JobResultExpired(self.name, self._job.expired.why)
        expiry.__cause__ = self._job.error()
        return expiry

    def _load_value(self) -> tuple[Any, BaseException | None]:
        try:
            return self._job.value(), None
        except (KeyError, UnpicklableError) as error:
            return None, self._expiry() or error

    @property
    def outputs(self) -> Mapping[str, Any]:
        """The variables named by ``--out``, once the job has completed; empty before.

        Raises:
            JobResultExpired: the job's retention is over.
        """
        if self._job.expired is not None:
            raise JobResultExpired(self.name, self._job.expired.why)
        return Outputs(self._job)

    @property
    def made(self) -> Mapping[str, Any]:
        """What its cell has made and no ``--out`` names, as far as it could be kept.

        It is there from the end of a job in a process on, as long as its result. What is large
        (``keep_made_bytes``), or pickled by code of your own, isn't kept.

        Raises:
            JobResultExpired: the job's retention is over.
        """
        if self._job.expired is not None:
            raise JobResultExpired(self.name, self._job.expired.why)
        return Made(self._job)

    def cancel(self) -> bool:
        """End the job and everything it started; returns at once.

        Returns:
            True if that cancelled it, or it was cancelled before; False if it had ended.
        """
        self._check_process()
        # Not `cancelled`: somebody else may be just about to tell us.
        return self._job.cancel() or self.status is JobStatus.CANCELED

    def interrupt(self) -> bool:
        """Raise KeyboardInterrupt in the job, which may still finish with a result.

        Returns:
            Whether it was running.
        """
        self._check_process()
        return self._job.interrupt()

    @property
    def seed(self) -> int | None:
        """What the job's random numbers begin with."""
        return self._job.spec.seed

    def logs(
        self, tail: int | None = None, *, attempt: int | None = None, raw: bool = False
    ) -> str:
        """What the job has printed, as it stands on a terminal's screen.

        Args:
            tail: Only so many of the last lines.
            attempt: In which attempt, from 1; the last one's if None.
            raw: As it was printed, with carriage returns and each state of a printed bar.

        Raises:
            ValueError: there was no such attempt.
        """
        return self._job.log_of(attempt).text(tail, raw=raw)

    @property
    def displays(self) -> Displays:
        """The job's rich outputs: figures, tables, HTML."""
        return self._job.attempt.displays

    @property
    def progress(self) -> list[Bar]:
        """The job's progress bars as last reported, outermost first."""
        return self._job.attempt.bars.latest()

    @property
    def metrics(self) -> Metrics:
        """The series of `log_metric`, by name; `to_pandas()` gives a DataFrame."""
        return self._job.attempt.metrics

    def replay(self) -> JobFuture:
        """Run the same source with the same inputs and seed again, as a new job.

        It runs in a fresh interpreter, with the inputs as they were: of a forked job those that
        its source reads.

        Raises:
            ReplayError: its inputs are not there: they were not kept, are too large
                (``max_replay_bytes``) or can't be pickled, or its retention is over.
        """
        if self._job.replay is None:
            expired = self._job.expired
            why = "its inputs were not kept" if expired is None else expired.why
            raise ReplayError(self.name, why)
        future: JobFuture = self._job.replay()
        return future

    def pin(self) -> None:
        """Keep the result for the session, whatever its retention and the limits say."""
        self._job.pin(True)

    def unpin(self) -> None:
        """Take `pin` back; what is overdue goes at once."""
        self._job.pin(False)

    @property
    def expiry_time(self) -> datetime.datetime | None:
        """When the result goes, aware UTC; None while that isn't known, or never."""
        kept_s = self._job.kept_s
        return None if kept_s is None else self._job.times.date_after_end(kept_s)

    def purge(self, *, output: bool = False) -> None:
        """Drop the result, the outputs and the log now. Cards keep what they show.

        Args:
            output: Take that from the cards as well, and from the notebook.

        Raises:
            RuntimeError: the job has not ended.
        """
        if not self._job.ended.is_set():
            raise RuntimeError(f"job {self.name!r} has not ended: cancel it first")
        self._job.expire(_PURGED, takes_output=output)

    def _on_start(self, _job: Job) -> None:
        self._mark_running()

    def _on_decided(self, job: Job) -> None:
        if job.status is JobStatus.CANCELED:
            self._mark_canceled()
        else:
            self._mark_done(failed=job.has_error)


NestedWait = Callable[[JobFuture, float | None], bool]
_nested_wait: NestedWait | None = None


def set_nested_wait(waiting: NestedWait | None) -> None:
    """Have blocking waits keep the running event loop's tasks going (``nested_loop``)."""
    global _nested_wait
    _nested_wait = waiting
