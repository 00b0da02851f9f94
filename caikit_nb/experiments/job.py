"""A job of an experiment: hyperparameters in, results out."""

from __future__ import annotations

import datetime
import logging
import operator
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from caikit_nb.errors import JobPruned, UnsafeUpdateError
from caikit_nb.experiments.encoding import JSON, plain_values
from caikit_nb.experiments.names import check_name
from caikit_nb.experiments.results import fault
from caikit_nb.experiments.rows import Draft, Record
from caikit_nb.experiments.statuses import (
    CRASHED,
    DONE,
    JOB_STATUSES,
    PRUNED,
    QUEUED,
    RUNNING,
    TERMINAL_STATUSES,
    check_status,
)

if TYPE_CHECKING:
    from caikit_nb.experiments.experiment import Experiment

logger = logging.getLogger(__name__)


class Job:
    """A job. Those of a database come from `Experiment.add_job`, `next_job` and `all_jobs`.

    As a context manager it is RUNNING inside, and DONE, CRASHED or PRUNED behind it:
    ``with experiment.next_job() as job: job.results["loss"] = train(**job.hyperparameters)``.
    While this process has a RUNNING job it renews its lease; a job that is dropped, as by a
    process that dies, goes back to the queue when its lease is over.

    Args:
        job_id: Its id, unique in the experiment.
        experiment: The experiment.
        hyperparameters: By name; JSON values.
        status: QUEUED, RUNNING, CRASHED, PRUNED or DONE.
        results: By name; JSON values.
        etag: The version that it was read as; None if it was not.
        reason: Why it ended as it did, in one line.

    Attributes:
        source: The source of its cell; empty if it has none.
    """

    QUEUED, RUNNING, CRASHED, PRUNED, DONE = QUEUED, RUNNING, CRASHED, PRUNED, DONE

    def __init__(
        self,
        job_id: str,
        experiment: Experiment,
        hyperparameters: Mapping[str, JSON],
        status: str = QUEUED,
        results: Mapping[str, JSON] | None = None,
        etag: str | None = None,
        *,
        reason: str = "",
    ) -> None:
        self.job_id = check_name(job_id, "a job's id")
        self.experiment = experiment
        self.hyperparameters = dict(hyperparameters)
        self.status = check_status(status, JOB_STATUSES)
        self.results = dict(results or {})
        self.etag = etag
        self.reason = reason
        self.source = ""
        self._record: Record | None = None

    @classmethod
    def of_record(cls, experiment: Experiment, record: Record) -> Self:
        """The job that is stored so."""
        job = cls(record.id, experiment, {})
        job._take(record)
        return job

    def __str__(self) -> str:
        return (
            f"Job(id={self.job_id!r}, experiment={self.experiment.name!r}, "
            f"hyperparameters={self.hyperparameters!r})"
        )

    def __repr__(self) -> str:
        return f"<{self} {self.status}>"

    @property
    def origin(self) -> Mapping[str, JSON]:
        """How a search came to it: PBT's ``parent``, ``member`` and ``generation``."""
        return self._record.draft.origin if self._record else {}

    @property
    def deliveries(self) -> int:
        """How often it was given to a worker."""
        return self._record.deliveries if self._record else 0

    @property
    def worker(self) -> str:
        """Who has it, or had it last."""
        return self._record.worker if self._record else ""

    @property
    def created_at(self) -> datetime.datetime | None:
        """When it was added, aware UTC."""
        return _date(self._record and self._record.created_at)

    @property
    def started_at(self) -> datetime.datetime | None:
        """When it was last begun, aware UTC; None before."""
        return _date(self._record and self._record.started_at)

    @property
    def ended_at(self) -> datetime.datetime | None:
        """When it ended, aware UTC; None before."""
        return _date(self._record and self._record.ended_at)

    def put(self, safe: bool = True) -> None:
        """Store status, hyperparameters and results as they are here.

        Args:
            safe: Only if nobody has changed the job since it was read; if it has no etag, only if
                there is none of its id.

        Raises:
            UnsafeUpdateError: somebody has, and nothing was written.
            UnstorableValueError: a value isn't JSON; names its key.
            ValueError: the status isn't one.
        """
        self._take(self.experiment._storage.put(self, self._draft(), safe=safe))

    def try_run(self) -> None:
        """Claim it: of several who try at once exactly one succeeds (contracts S4).

        Raises:
            UnsafeUpdateError: somebody else was first; it is not changed here.
            ValueError: it has ended.
        """
        if self.status in TERMINAL_STATUSES:
            raise ValueError(f"job {self.job_id!r} is {self.status}, and only a QUEUED job can run")
        before, self.status = self.status, RUNNING
        try:
            self.put()
        except BaseException:
            self.status = before
            raise

    def delete(self, ensure: bool = True) -> None:
        """Remove it from the database.

        Args:
            ensure: Whether it is an error that there is no such job.

        Raises:
            ResourceMissingError: there is none.
        """
        self.experiment._storage.delete_job(self.job_id, ensure=ensure)

    def prune(self) -> None:
        """End it as PRUNED: a poor trial. Inside ``with`` that is stored behind it."""
        self.status = PRUNED

    def report(self, value: float, step: int) -> None:
        """Store how it stands at a step, for pruning.

        Raises:
            TypeError: one of them isn't a number.
            ValueError: the step is too large.
        """
        whole = operator.index(step)
        if abs(whole) >= 2**63:
            raise ValueError(f"step must be below 2**63, not {whole:.4g}")
        self.experiment._storage.report(self.job_id, float(value), whole)

    def should_prune(self, value: float, step: int) -> bool:
        """Report how it stands at a step; whether its experiment's pruner gives it up."""
        self.report(value, step)
        return self.experiment.should_prune(self)

    def __enter__(self) -> Self:
        if self.status != RUNNING:
            self.try_run()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        is_pruned = self.status == PRUNED or isinstance(error, JobPruned)
        if is_pruned:
            self.status = PRUNED
        elif error is not None:
            self.status = CRASHED
        elif self.status == RUNNING:
            wanted = (*self.experiment.goals(), *self.experiment.limits())
            self.status = DONE
            self.reason = fault(plain_values(self.results, "results"), wanted)
        if error is None:
            self.put()
            return False
        self.reason = f"{type(error).__name__}: {error}".splitlines()[0].removesuffix(": ")
        self._put_beside(error)
        return isinstance(error, JobPruned)

    def _put_beside(self, error: BaseException) -> None:
        """Store it while an error is on its way, which must not be hidden by another."""
        try:
            self.put()
        except Exception as second:
            if isinstance(error, JobPruned):
                raise
            logger.warning("%s could not be stored as %s: %s", self, self.status, second)
            error.add_note(f"The job could not be stored as {self.status}: {second}")

    def _draft(self) -> Draft:
        return Draft(
            check_status(self.status, JOB_STATUSES),
            plain_values(self.hyperparameters, "hyperparameters"),
            plain_values(self.results, "results"),
            self.reason,
            self.source,
            self.origin,
        )

    def _take(self, record: Record) -> None:
        self._record, self.etag = record, record.etag
        self.status, self.reason = record.status, record.draft.reason
        self.source = record.draft.source
        self.hyperparameters = dict(record.draft.hyperparameters)
        self.results = dict(record.draft.results)


def parse_etag(job: Job) -> tuple[int, int] | None:
    """The row's key and version in a job's etag; None if it has none.

    Raises:
        UnsafeUpdateError: it isn't one that was ever given out.
    """
    if job.etag is None:
        return None
    key, _, version = job.etag.strip('"').partition("-")
    is_ours = key.isdecimal() and len(key) < 19 and version.isdecimal() and len(version) < 10
    if not is_ours:
        raise UnsafeUpdateError(job.job_id, job.experiment.name)
    return int(key), int(version)


def _date(seconds: Any) -> datetime.datetime | None:
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC)
