"""What an experiment has found: its best job, and all as a table."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from caikit_nb.experiments.encoding import JSON
from caikit_nb.experiments.statuses import DONE

if TYPE_CHECKING:
    from caikit_nb.experiments.experiment import Experiment
    from caikit_nb.experiments.job import Job

_LONGEST_SHOWN = 60
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


def is_nan(value: object) -> bool:
    """Whether a result is the number that is none."""
    return isinstance(value, float) and math.isnan(value)


def fault(found: Mapping[str, JSON], wanted: Iterable[str]) -> str:
    """What a search can't use of a job's results, in words; empty if it can use them.

    Args:
        found: The results.
        wanted: Those that must be numbers.
    """
    for name in wanted:
        if name not in found:
            return f"it gave no result {name!r}, which the search goes by"
        if number(found[name]) is None:
            shown = repr(found[name])
            shown = shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
            return f"its result {name!r} is {shown}, and the search goes by a number"
    return ""


def is_within(found: Mapping[str, JSON], limits: Mapping[str, float]) -> bool:
    """Whether results are at most what they may be."""
    values = {name: number(found.get(name)) for name in limits}
    return all(value is not None and value <= limits[name] for name, value in values.items())


def best(experiment: Experiment, result_name: str | None, objective: str | None) -> Job:
    """See `Experiment.best`."""
    goals = experiment.goals()
    if result_name is None and len(goals) > 1:
        raise ValueError(
            f"which result, of {', '.join(map(repr, goals))}? Jobs that no other beats in all of "
            "them are in experiment.best_jobs()"
        )
    own_name, own_objective = experiment.objective_of(result_name)
    name = result_name or own_name
    if name is None:
        raise ValueError("which result? Use experiment.best('accuracy')")
    limits = experiment.limits()
    found = best_of(experiment.all_jobs(), name, objective or own_objective or MAXIMIZE, limits)
    if found is None:
        within = " within the constraints" if limits else ""
        raise LookupError(f"no job of {experiment.name!r} is DONE with a number {name!r}{within}")
    return found


def best_of(
    jobs: Iterable[Job], result_name: str, objective: str, limits: Mapping[str, float]
) -> Job | None:
    """The job that is DONE with the best number, within the limits; of equals the oldest."""
    sign = 1.0 if check_objective(objective) == MAXIMIZE else -1.0
    found: tuple[float, Job] | None = None
    for job in jobs:
        counts = job.status == DONE and is_within(job.results, limits)
        value = number(job.results.get(result_name)) if counts else None
        if value is not None and (found is None or sign * value > found[0]):
            found = sign * value, job
    return None if found is None else found[1]


def to_pandas(experiment: Experiment) -> Any:
    """See `Experiment.to_pandas`."""
    import pandas

    jobs = list(experiment.all_jobs())
    parameters = dict.fromkeys(name for job in jobs for name in job.hyperparameters)
    found = dict.fromkeys(name for job in jobs for name in job.results)
    parameter_columns = _columns(parameters, "hyperparameter", _RECORD)
    result_columns = _columns(found, "result", (*_RECORD, *parameters, *parameter_columns.values()))
    columns = [*_RECORD[:2], *parameter_columns.values(), *result_columns.values(), *_RECORD[2:]]
    records = [
        {
            "job": job.job_id,
            "status": job.status,
            **{parameter_columns[name]: value for name, value in job.hyperparameters.items()},
            **{result_columns[name]: value for name, value in job.results.items()},
            "started": job.started_at,
            "ended": job.ended_at,
            "reason": job.reason,
        }
        for job in jobs
    ]
    return pandas.DataFrame.from_records(records, columns=columns).set_index("job")


_RECORD = ("job", "status", "started", "ended", "reason")


def _columns(names: Collection[str], kind: str, taken: Collection[str]) -> dict[str, str]:
    """A column for each name: itself, or if that is taken, with the kind before it."""
    used = {*names, *taken}
    columns = {}
    for name in names:
        column = name
        if name in taken:
            while column in used:
                column = f"{kind}.{column}"
            used.add(column)
        columns[name] = column
    return columns
