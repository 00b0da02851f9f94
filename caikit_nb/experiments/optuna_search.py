"""Searches by Optuna's samplers and pruners: TPE, CMA-ES and their like.

The database's jobs are all there is: for each question an Optuna study is made of them. So a
search goes on wherever it is opened, and a job that comes back to the queue is not told twice.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Self

from caikit_nb.experiments.distributions import (
    Choice,
    Constant,
    Distribution,
    LogUniform,
    Normal,
    Uniform,
    check_distributions,
    from_params,
    to_params,
)
from caikit_nb.experiments.encoding import JSON, plain_values, to_json
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.job import Job
from caikit_nb.experiments.optuna_parts import Chosen, choose, load_optuna, make_chosen, quiet
from caikit_nb.experiments.proposal import Proposal, Standing
from caikit_nb.experiments.results import check_objective, number
from caikit_nb.experiments.rows import Draft, Record, read_all
from caikit_nb.experiments.searches import check_exact_names
from caikit_nb.experiments.statuses import CRASHED, DONE, PRUNED, RUNNING


class OptunaSearch(Experiment):
    """New jobs by an Optuna sampler, which learns from the results.

    Args:
        name: What it is known by.
        distributions: A distribution for each hyperparameter; not `Normal`, and `Choice` without
            weights.
        objective: ``min`` or ``max``.
        result_name: The result that every job reports.
        sampler: ``tpe``, ``cmaes``, ``random``, ``gp``, ``qmc``, or a class of
            `optuna.samplers`; with its options as ``{"tpe": {"n_startup_trials": 5}}``.
        pruner: ``median``, ``percentile``, ``halving``, ``hyperband``, ``threshold``, or a class
            of `optuna.pruners`, likewise; None to prune nothing.
        status: RUNNING or DONE.

    Raises:
        ValueError: one of them isn't what it must be.
    """

    SEARCH: ClassVar[str] = "Optuna"

    def __init__(
        self,
        name: str,
        distributions: Mapping[str, Distribution],
        objective: str,
        result_name: str,
        sampler: Chosen = "tpe",
        pruner: Chosen = None,
        status: str = RUNNING,
    ) -> None:
        super().__init__(name, status)
        self.distributions = check_distributions(distributions)
        for key, each in self.distributions.items():
            _check_for_optuna(key, each)
        self.objective = check_objective(objective)
        if not result_name:
            raise ValueError(f"result_name must be a result's name, not {result_name!r}")
        self.result_name = result_name
        self.sampler, self.pruner = choose("sampler", sampler or "tpe"), choose("pruner", pruner)

    def params(self) -> JSON:
        """What it is made of."""
        return {
            "distributions": to_params(self.distributions),
            "objective": self.objective,
            "resultName": self.result_name,
            "sampler": self.sampler,
            "pruner": self.pruner,
        }

    @classmethod
    def from_params(cls, name: str, status: str, params: JSON) -> Self:
        """See `Experiment.from_params`."""
        return cls(
            name,
            from_params(params["distributions"]),
            params["objective"],
            params["resultName"],
            params.get("sampler"),
            params.get("pruner"),
            status,
        )

    def objective_of(self, result_name: str | None) -> tuple[str | None, str | None]:
        """See `Experiment.objective_of`."""
        is_own = result_name in (None, self.result_name)
        return (self.result_name, self.objective) if is_own else (result_name, None)

    def check_hyperparameters(self, hyperparameters: Mapping[str, JSON]) -> None:
        """See `Experiment.check_hyperparameters`."""
        check_exact_names(hyperparameters, self.distributions)

    def propose(self, standing: Standing) -> Proposal:
        """What the sampler asks for next."""
        study = self._study(standing.records(), {}, standing.proposed)
        space = {name: _for_optuna(each) for name, each in self._free().items()}
        with quiet(load_optuna()):
            trial = study.ask(fixed_distributions=space)
        fixed = {
            name: each.value
            for name, each in self.distributions.items()
            if isinstance(each, Constant)
        }
        drawn = {name: self._value_of(name, trial.params[name]) for name in space}
        # CMA-ES keeps what it has learned with its trials.
        kept = study.trials[-1].system_attrs
        origin = {"optuna": plain_values(kept, "origin")}
        return Proposal(Draft(hyperparameters=plain_values(drawn | fixed, "it"), origin=origin))

    def should_prune(self, job: Job) -> bool:
        """Whether the pruner gives the job up, after what it has reported."""
        if self.pruner is None:
            return False
        with self._storage.database.reading() as tx:
            records = list(read_all(tx, self._storage.key))
        study = self._study(records, self._storage.reports(), 0)
        at = next((i for i, each in enumerate(records) if each.id == job.job_id), None)
        if at is None or not study.trials[at].intermediate_values:
            return False
        return bool(study.pruner.prune(study, study.trials[at]))

    def study(self) -> Any:
        """An Optuna study of the jobs as they are now, for ``optuna.visualization``.

        What is done to it is not stored.
        """
        with self._storage.database.reading() as tx:
            records = list(read_all(tx, self._storage.key))
        return self._study(records, self._storage.reports(), 0)

    def _free(self) -> dict[str, Distribution]:
        return {k: each for k, each in self.distributions.items() if not isinstance(each, Constant)}

    def _study(
        self, records: Iterable[Record], reports: Mapping[int, Mapping[int, float]], proposed: int
    ) -> Any:
        optuna = load_optuna()
        with quiet(optuna):
            study = optuna.create_study(
                study_name=self.name,
                direction="maximize" if self.objective == "max" else "minimize",
                sampler=make_chosen("sampler", self.sampler, proposed),
                pruner=make_chosen("pruner", self.pruner, 0) or optuna.pruners.NopPruner(),
            )
            study.add_trials([self._trial(each, reports.get(each.key, {})) for each in records])
        return study

    def _trial(self, record: Record, reported: Mapping[int, float]) -> Any:
        optuna = load_optuna()
        state, value = _state(record, number(record.draft.results.get(self.result_name)))
        trial = optuna.trial.create_trial(
            state=getattr(optuna.trial.TrialState, state),
            value=value,
            params=self._params_of(record),
            distributions={
                name: _for_optuna(each)
                for name, each in self._free().items()
                if name in self._params_of(record)
            },
            user_attrs={"job": record.id},
            system_attrs=dict(record.draft.origin.get("optuna", {})),
            intermediate_values=dict(reported),
        )
        trial.datetime_start = _local(record.started_at)
        trial.datetime_complete = _local(record.ended_at)
        return trial

    def _params_of(self, record: Record) -> dict[str, Any]:
        """Its hyperparameters as Optuna has them; those that are out of range are left out."""
        found = {}
        for name, each in self._free().items():
            if name not in record.draft.hyperparameters:
                continue
            value = record.draft.hyperparameters[name]
            if isinstance(each, Choice):
                as_choice = _choice_maker(each)
                if (chosen := as_choice(value)) in map(as_choice, each.values):
                    found[name] = chosen
            elif isinstance(each, LogUniform | Uniform) and _is_within(value, each):
                found[name] = value
        return found

    def _value_of(self, name: str, value: Any) -> JSON:
        """A hyperparameter as the job has it."""
        each = self.distributions[name]
        if not isinstance(each, Choice):
            return value
        as_choice = _choice_maker(each)
        return next(choice for choice in each.values if as_choice(choice) == value)


def _is_within(value: JSON, distribution: LogUniform | Uniform) -> bool:
    plain = number(value)
    return plain is not None and distribution.low <= plain <= distribution.high


def _state(record: Record, value: float | None) -> tuple[str, float | None]:
    if record.status == DONE and value is not None and not math.isinf(value):
        return "COMPLETE", value
    if record.status == PRUNED:
        return "PRUNED", value
    if record.status in (CRASHED, DONE):
        return "FAIL", None
    return "RUNNING" if record.status == RUNNING else "WAITING", None


def _choice_maker(distribution: Choice) -> Callable[[JSON], str]:
    """What makes Optuna's choices of ours: texts stay what they are, and others become JSON.

    Optuna compares choices, and among JSON values 1, 1.0 and true are equal.
    """
    return str if all(isinstance(each, str) for each in distribution.values) else to_json


def _local(seconds: float | None) -> datetime.datetime | None:
    """A time as Optuna has it."""
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds)  # noqa: DTZ006


def _for_optuna(distribution: Distribution) -> Any:
    optuna = load_optuna()
    match distribution:
        case LogUniform(low=low, high=high):
            return optuna.distributions.FloatDistribution(low, high, log=True)
        case Uniform(low=low, high=high):
            return optuna.distributions.FloatDistribution(low, high)
        case Choice(values=values):
            as_choice = _choice_maker(distribution)
            return optuna.distributions.CategoricalDistribution([as_choice(v) for v in values])
    raise AssertionError(distribution)


def _check_for_optuna(name: str, distribution: Distribution) -> None:
    if isinstance(distribution, Normal):
        raise ValueError(f"Optuna's samplers need bounds: give {name!r} a Uniform, not a Normal")
    if isinstance(distribution, Choice) and distribution.weights is not None:
        raise ValueError(f"Optuna's samplers weigh choices themselves: give {name!r} no weights")
