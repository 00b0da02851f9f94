"""An experiment's jobs as the trials of an Optuna study."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from caikit_nb.experiments.encoding import JSON, plain_values
from caikit_nb.experiments.optuna_parts import constraint_attributes, load_optuna, quiet
from caikit_nb.experiments.optuna_space import OptunaSpace
from caikit_nb.experiments.results import number
from caikit_nb.experiments.rows import Record
from caikit_nb.experiments.statuses import CRASHED, DONE, PRUNED, RUNNING

_OF_TRIAL, _OF_STUDY = "optuna", "optuna_study"
Reports = Mapping[int, Mapping[int, float]]


@dataclass(frozen=True, slots=True)
class StudyMaker:
    """Makes studies of jobs.

    Attributes:
        name: The study's name.
        space: The hyperparameters.
        goals: The results that count, and whether ``min`` or ``max`` is best.
        limits: What some results may be at most.
    """

    name: str
    space: OptunaSpace
    goals: Mapping[str, str]
    limits: Mapping[str, float]

    def make(self, records: Iterable[Record], reports: Reports, sampler: Any, pruner: Any) -> Any:
        """A study of these jobs.

        Args:
            records: The jobs, oldest first.
            reports: What was reported: for each job's key its values by step.
            sampler: Optuna's sampler.
            pruner: Optuna's pruner.
        """
        optuna, records = load_optuna(), list(records)
        directions = ["maximize" if each == "max" else "minimize" for each in self.goals.values()]
        with quiet(optuna):
            study = optuna.create_study(
                study_name=self.name, directions=directions, sampler=sampler, pruner=pruner
            )
            study.add_trials([self._trial(each, reports.get(each.key, {})) for each in records])
        for key, value in _notes(records).items():
            study._storage.set_study_system_attr(study._study_id, key, value)
        return study

    def _trial(self, record: Record, reported: Mapping[int, float]) -> Any:
        optuna = load_optuna()
        params, distributions = self.space.given(record.draft.hyperparameters)
        state, values, attributes = self._outcome(record)
        trial = optuna.trial.create_trial(
            state=getattr(optuna.trial.TrialState, state),
            values=values,
            params=params,
            distributions=distributions,
            user_attrs={"job": record.id},
            system_attrs={**record.draft.origin.get(_OF_TRIAL, {}), **attributes},
            intermediate_values=dict(reported),
        )
        trial.datetime_start = _local(record.started_at)
        trial.datetime_complete = _local(record.ended_at)
        return trial

    def _outcome(self, record: Record) -> tuple[str, list[float] | None, dict[str, JSON]]:
        """A job's state, values and attributes; without a number that counts it has failed."""
        results = record.draft.results
        values = _all_numbers(results, self.goals)
        limited = _all_numbers(results, self.limits)
        attributes: dict[str, JSON] = {}
        if limited is not None:
            pairs = zip(self.limits.items(), limited, strict=True)
            attributes = constraint_attributes({k: _beyond(v, most) for (k, most), v in pairs})
        if record.status == DONE and values is not None and limited is not None:
            return "COMPLETE", values, attributes
        if record.status == PRUNED:
            return "PRUNED", values, attributes
        if record.status in (CRASHED, DONE):
            return "FAIL", None, {}
        return "RUNNING" if record.status == RUNNING else "WAITING", None, {}


def origin_of(study: Any, at: int, before: Mapping[str, Any] | None = None) -> dict[str, JSON]:
    """What is kept of a trial with its job: the notes that samplers and pruners have made.

    Args:
        study: The study.
        at: The trial's number.
        before: The study's own notes as they were.
    """
    trial = study.get_trials(deepcopy=False)[at]
    kept: dict[str, Any] = {_OF_TRIAL: dict(trial.system_attrs)}
    if before is not None:
        notes = study._storage.get_study_system_attrs(study._study_id)
        new = {key: value for key, value in notes.items() if before.get(key) != value}
        # Numbers only: other notes are caches that name trials by their numbers, and those
        # change when a job is deleted.
        kept[_OF_STUDY] = {key: value for key, value in new.items() if isinstance(value, int)}
    return {key: plain_values(each, "origin") for key, each in kept.items()}


def notes_of(study: Any) -> dict[str, Any]:
    """The study's own notes, such as how far a sequence of points has come."""
    return dict(study._storage.get_study_system_attrs(study._study_id))


def _notes(records: Iterable[Record]) -> dict[str, int]:
    """The study's own notes, as its jobs keep them: the newest counts."""
    notes: dict[str, int] = {}
    for record in records:
        notes |= record.draft.origin.get(_OF_STUDY, {})
    return notes


def _all_numbers(results: Mapping[str, JSON], names: Iterable[str]) -> list[float] | None:
    """The results of these names; None if one is no number."""
    values = [number(results.get(name)) for name in names]
    found = [value for value in values if value is not None]
    return found if len(found) == len(values) else None


def _beyond(value: float, most: float) -> float:
    return 0.0 if value == most else value - most  # also where both are infinite


def _local(seconds: float | None) -> datetime.datetime | None:
    """A time as Optuna has it."""
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds)  # noqa: DTZ006
