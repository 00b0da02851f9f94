"""What an experiment has found: its best job, and all as a table."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from caikit_nb.experiments.statuses import DONE

if TYPE_CHECKING:
    from caikit_nb.experiments.experiment import Experiment
    from caikit_nb.experiments.job import Job

MINIMIZE = "min"
MAXIMIZE = "max"


def check_objective(objective: object) -> str:
    """The objective, if it is one.

    Raises:
        ValueError: it isn't.
    """
    if objective not in (MINIMIZE, MAXIMIZE):
        raise ValueError(f"an objective is 'min' or 'max', not {objective!r}")
    return str(objective)


def number(value: object) -> float | None:
    """A result as a number that can be compared; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        plain = float(value)
    except OverflowError:
        return None
    return None if math.isnan(plain) else plain


def best(experiment: Experiment, result_name: str | None, objective: str | None) -> Job:
    """See `Experiment.best`."""
    own_name, own_objective = experiment.objective_of(result_name)
    name = result_name or own_name
    if name is None:
        raise ValueError("which result? Use experiment.best('accuracy')")
    found = best_of(experiment.all_jobs(), name, objective or own_objective or MAXIMIZE)
    if found is None:
        raise LookupError(f"no job of {experiment.name!r} is DONE with a number {name!r}")
    return found


def best_of(jobs: Iterable[Job], result_name: str, objective: str) -> Job | None:
    """The job that is DONE with the best number; of equals the oldest."""
    sign = 1.0 if check_objective(objective) == MAXIMIZE else -1.0
    found: tuple[float, Job] | None = None
    for job in jobs:
        value = number(job.results.get(result_name)) if job.status == DONE else None
        if value is not None and (found is None or sign * value > found[0]):
            found = sign * value, job
    return None if found is None else found[1]


def to_pandas(experiment: Experiment) -> Any:
    """See `Experiment.to_pandas`."""
    import pandas

    records = [
        {
            "job": job.job_id,
            "status": job.status,
            **{_own("hyperparameter", n): value for n, value in job.hyperparameters.items()},
            **{_apart(name, job): value for name, value in job.results.items()},
            "started": job.started_at,
            "ended": job.ended_at,
            "reason": job.reason,
        }
        for job in experiment.all_jobs()
    ]
    frame = pandas.DataFrame.from_records(records)
    return frame.set_index("job") if records else frame


_RECORD = ("job", "status", "started", "ended", "reason")


def _own(kind: str, name: str) -> str:
    """A column's name; one that the record of a job has itself is told apart."""
    return f"{kind}.{name}" if name in _RECORD else name


def _apart(name: str, job: Job) -> str:
    """A result's column; one that a hyperparameter has, too, is told apart."""
    return f"result.{name}" if name in job.hyperparameters else _own("result", name)
