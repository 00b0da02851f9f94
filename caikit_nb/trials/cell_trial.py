"""A notebook's cell as a job of an experiment."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from typing import Any, Self

from caikit_nb.errors import ExperimentError, ResourceExistsError, ResourceMissingError
from caikit_nb.experiments.database import ExperimentDB
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.job import Job as Row
from caikit_nb.experiments.searches import ManualSearch
from caikit_nb.experiments.statuses import QUEUED, RUNNING
from caikit_nb.jobs.job import Job
from caikit_nb.trials.recorder import record
from caikit_nb.trials.stored_trial import StoredTrial


@functools.cache
def open_database(url: str | None) -> ExperimentDB:
    """This process's connection to a database; the user's own if `url` is None."""
    return ExperimentDB(url)


class CellTrial:
    """A row that is claimed for a cell.

    Args:
        row: The row.
        was_queued: Whether it was there before, and goes back if the cell isn't started.
    """

    def __init__(self, row: Row, was_queued: bool) -> None:
        self._row, self._was_queued = row, was_queued

    @classmethod
    def add(cls, url: str | None, experiment: str, params: Mapping[str, Any], source: str) -> Self:
        """A new row; an experiment that isn't there yet is made, a manual search.

        Raises:
            ExperimentError: the database says no.
            ValueError: the experiment does.
        """
        db = open_database(url)
        row = _get_or_add(db, experiment).add_job(params, RUNNING, source=source)
        return cls(row, was_queued=False)

    @classmethod
    def next(cls, url: str | None, experiment: str, params: Mapping[str, Any], source: str) -> Self:
        """The experiment's next row.

        Raises:
            ExperimentError: there is no such experiment, or it has no job.
            ValueError: a hyperparameter is given on the line.
        """
        if params:
            raise ValueError(f"{next(iter(params))!r} comes from the experiment with --next")
        row = open_database(url).get_experiment(experiment).next_job()
        row.source = source
        wrong = [name for name in row.hyperparameters if not name.isidentifier()]
        if wrong:
            cls(row, was_queued=True).give_up()
            raise ValueError(f"its hyperparameter {wrong[0]!r} can't be a variable's name")
        return cls(row, was_queued=True)

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """What the cell is to have as variables."""
        return self._row.hyperparameters

    @property
    def stored(self) -> StoredTrial:
        """What crosses to the job."""
        return StoredTrial.of(self._row)

    def follow(self, job: Job) -> None:
        """Record how the job ends."""
        record(job, self._row, gives_back=self._was_queued)

    def give_up(self) -> None:
        """The cell was not started."""
        with contextlib.suppress(ExperimentError):  # what stopped the cell is told
            if self._was_queued:
                self._row.status = QUEUED
                self._row.put()
            else:
                self._row.delete(ensure=False)


def _get_or_add(db: ExperimentDB, name: str) -> Experiment:
    try:
        return db.get_experiment(name)
    except ResourceMissingError:
        with contextlib.suppress(ResourceExistsError):  # somebody was faster
            return db.add_experiment(ManualSearch(name))
        return db.get_experiment(name)
