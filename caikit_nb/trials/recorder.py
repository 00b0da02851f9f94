"""Writes how a background job ended into its row of an experiment."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from caikit_nb.errors import ExperimentError
from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.experiments import statuses
from caikit_nb.experiments.encoding import plain_values
from caikit_nb.experiments.job import Job as Row
from caikit_nb.experiments.results import fault, is_nan
from caikit_nb.jobs.executor import CLOSED
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.states import JobStatus

logger = logging.getLogger(__name__)

_STATUSES = {
    JobStatus.COMPLETED: statuses.DONE,
    JobStatus.ERRORED: statuses.CRASHED,
    JobStatus.CANCELED: statuses.CRASHED,
    JobStatus.PRUNED: statuses.PRUNED,
}
# The watcher must not wait for a database.
_writes = SerialThread("caikit_nb experiments")
_jobs: weakref.WeakValueDictionary[tuple[str, str, str], Job] = weakref.WeakValueDictionary()


def job_of(row: Row) -> Job | None:
    """The background job of this session that ran a row; the newest, None if none did."""
    return _jobs.get(_key(row))


def _key(row: Row) -> tuple[str, str, str]:
    return row.experiment.database_url, row.experiment.name, row.job_id


def record(
    job: Job,
    row: Row,
    result_name: str | None = None,
    gives_back: bool = False,
    then: Callable[[], object] = lambda: None,
) -> None:
    """Store the end of `job` in `row`, which this process has claimed.

    Args:
        job: Not started yet.
        row: Its row.
        result_name: What a returned number is called; None to look at no returned value.
        gives_back: Queue the row again if the session is closed before the job has ended.
        then: Called afterwards, in a background thread.
    """
    _jobs[_key(row)] = job

    def write(_: Job) -> None:
        try:
            if gives_back and job.ended_with_session:
                row.status, row.reason = statuses.QUEUED, CLOSED
                row.put()
            else:
                _write_end(job, row, result_name)
        finally:
            then()

    job.on_gone.append(lambda ended: _writes.put(lambda: write(ended)))


def _write_end(job: Job, row: Row, result_name: str | None) -> None:
    row.status, row.reason = _STATUSES[job.status], job.reason
    if job.status is JobStatus.CANCELED:  # the row's own state doesn't say it
        row.reason = job.reason or job.status.word
    given = {name: points[-1][1] for name, points in job.attempt.metrics.items() if points}
    row.results |= given
    try:
        if job.status is JobStatus.COMPLETED:
            if result_name is not None:
                given |= plain_values(_returned(job, row, result_name), "results")
                row.results |= given
            _check_results(row, given)
    except Exception as error:  # noqa: BLE001 - or it would stay RUNNING, and be run again
        row.status, row.reason = statuses.CRASHED, str(error)
    try:
        row.put()
    except ExperimentError as error:
        job.notes.append(f"its end was not recorded in the experiment: {error}")
        logger.warning("the end of %s was not recorded: %s", row, error)
        job.changed()


def _check_results(row: Row, given: Mapping[str, Any]) -> None:
    """A search can learn nothing of a job that gave no number.

    Args:
        row: Its row; its results may be those of the job that it went on from.
        given: The results of this job itself.

    Raises:
        ValueError: it gave none.
    """
    wanted = (*row.experiment.goals(), *row.experiment.limits())
    why = fault({name: 0.0 if is_nan(value) else value for name, value in given.items()}, wanted)
    if why:
        raise ValueError(why)
    row.reason = fault(given, wanted) or row.reason  # a training that diverged has ended well


def _returned(job: Job, row: Row, result_name: str) -> Mapping[str, Any]:
    """The results that the function has returned: a mapping, one number, or one for each goal."""
    value = job.value()
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    goals = list(row.experiment.goals())
    if len(goals) > 1 and isinstance(value, list | tuple) and len(value) == len(goals):
        return dict(zip(goals, value, strict=True))
    return {result_name: value}
