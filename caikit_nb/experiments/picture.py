"""An experiment at one moment, for those who show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caikit_nb.experiments.job import Job
from caikit_nb.experiments.results import MAXIMIZE, best_of, is_within, number
from caikit_nb.experiments.statuses import DONE, QUEUED, RUNNING

if TYPE_CHECKING:
    from caikit_nb.experiments.experiment import Experiment


@dataclass(frozen=True, slots=True)
class Picture:
    """What can be shown of an experiment.

    Attributes:
        name: Its name.
        search: The name of its search's class.
        status: RUNNING or DONE.
        jobs: Its jobs, oldest first.
        metric: The result that is looked at; None if no job has one that is a number.
        objective: ``min`` or ``max``.
        best: The best job by that.
        limits: What some results may be at most.
    """

    name: str
    search: str
    status: str
    jobs: Sequence[Job]
    metric: str | None
    objective: str
    best: Job | None
    limits: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, experiment: Experiment) -> Picture:
        """How it stands now."""
        experiment.refresh()
        jobs = list(experiment.all_jobs())
        own, objective = experiment.objective_of(None)
        metric = own or _first_number(jobs)
        objective = objective or _likely_objective(metric)
        limits = experiment.limits()
        best = None if metric is None else best_of(jobs, metric, objective, limits)
        return cls(
            experiment.name,
            type(experiment).__name__,
            experiment.status,
            jobs,
            metric,
            objective,
            best,
            limits,
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """How many jobs have each status."""
        counts: dict[str, int] = {}
        for job in self.jobs:
            counts[job.status] = counts.get(job.status, 0) + 1
        return counts

    @property
    def is_active(self) -> bool:
        """Whether a job runs or waits."""
        return any(job.status in (QUEUED, RUNNING) for job in self.jobs)

    @property
    def hyperparameter_names(self) -> list[str]:
        """In the order in which they first occur."""
        return list(dict.fromkeys(name for job in self.jobs for name in job.hyperparameters))

    @property
    def result_names(self) -> list[str]:
        """The results that are numbers, the one that is looked at first."""
        found = dict.fromkeys([self.metric] if self.metric is not None else [])
        for job in self.jobs:
            found |= {
                name: None for name, value in job.results.items() if number(value) is not None
            }
        return list(found)

    def values(self) -> list[tuple[int, float]]:
        """The place of each job that may be the best, from 1, and its number."""
        if self.metric is None:
            return []
        found = []
        for at, job in enumerate(self.jobs, start=1):
            counts = job.status == DONE and is_within(job.results, self.limits)
            value = number(job.results.get(self.metric)) if counts else None
            if value is not None:
                found.append((at, value))
        return found


def _first_number(jobs: Sequence[Job]) -> str | None:
    return next(
        (name for job in jobs for name, value in job.results.items() if number(value) is not None),
        None,
    )


def _likely_objective(metric: str | None) -> str:
    """Of a loss or an error less is better, for showing; `Experiment.best` does not guess."""
    words = (metric or "").lower()
    return "min" if any(sign in words for sign in ("loss", "err", "mse", "mae")) else MAXIMIZE
