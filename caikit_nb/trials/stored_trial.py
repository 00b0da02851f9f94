"""A job's own way to its row in an experiment."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from caikit_nb.experiments.database import ExperimentDB
from caikit_nb.experiments.job import Job


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """Plain data that crosses to the job's process, which opens the database when it needs it.

    Attributes:
        url: The database's address.
        experiment: The experiment's name.
        job_id: The row.
        results: What the row had when the job was submitted.
        is_replay: Whether the job is run once more; then the row hears nothing of it.
    """

    url: str
    experiment: str
    job_id: str
    results: Mapping[str, Any] = field(default_factory=dict)
    is_replay: bool = False

    @classmethod
    def of(cls, job: Job) -> Self:
        """That of a job which was claimed here."""
        return cls(job.experiment.database_url, job.experiment.name, job.job_id, dict(job.results))

    def for_replay(self) -> Self:
        """What a replay of the job has in its place."""
        return dataclasses.replace(self, is_replay=True)

    def should_prune(self, value: float, step: int) -> bool:
        """See `CurrentJob.should_prune`."""
        if self.is_replay:
            return False
        return _row(self.url, self.experiment, self.job_id).should_prune(value, step)


@functools.cache
def _row(url: str, experiment: str, job_id: str) -> Job:
    # Without leases: the claim is that of the process which submitted the job.
    return ExperimentDB(url, lease_s=None).get_experiment(experiment).get_job(job_id)
