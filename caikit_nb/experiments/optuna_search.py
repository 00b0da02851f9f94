"""Searches by Optuna's samplers and pruners: TPE, CMA-ES and their like.

The database's jobs are all there is: for each question an Optuna study is made of them. So a
search goes on wherever it is opened, and a job that comes back to the queue is not told twice.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

from caikit_nb.experiments.distributions import (
    Constant,
    Distribution,
    check_distributions,
    from_params,
    names_of_job,
    to_params,
    without_condition,
)
from caikit_nb.experiments.encoding import JSON, value_key
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.job import Job
from caikit_nb.experiments.optuna_parts import (
    Chosen,
    check_packages,
    choose,
    load_optuna,
    make_pruner,
    make_sampler,
    quiet,
)
from caikit_nb.experiments.optuna_space import OptunaSpace
from caikit_nb.experiments.optuna_study import Reports, StudyMaker, notes_of, origin_of
from caikit_nb.experiments.proposal import Proposal, Standing
from caikit_nb.experiments.results import check_objective, number
from caikit_nb.experiments.rows import Draft, Record, read_all
from caikit_nb.experiments.searches import check_exact_names
from caikit_nb.experiments.statuses import RUNNING

Point = frozenset[tuple[str, str]]
_GRID, _BRUTE_FORCE = "GridSampler", "BruteForceSampler"


class OptunaSearch(Experiment):
    """New jobs by an Optuna sampler, which learns from the results.

    Args:
        name: What it is known by.
        distributions: A distribution for each hyperparameter; not `Normal`, and `Choice` without
            weights. `When` makes one depend on others.
        objective: ``min`` or ``max``; for several results as many, in a list.
        result_name: The result that every job reports, or a list of several.
        sampler: ``tpe``, ``cmaes``, ``random``, ``gp``, ``qmc``, or a class of
            `optuna.samplers`; with its options as ``{"tpe": {"n_startup_trials": 5}}``.
        pruner: ``median``, ``percentile``, ``halving``, ``hyperband``, ``threshold``, or a class
            of `optuna.pruners`, likewise; None to prune nothing.
        status: RUNNING or DONE.
        constraints: Results that every job reports, too, and what each may be at most:
            ``{"latency_ms": 50}``. Names alone may be at most 0, as Optuna has it.

    Raises:
        ValueError: one of them isn't what it must be, or what the sampler needs isn't installed.
    """

    SEARCH: ClassVar[str] = "Optuna"

    def __init__(
        self,
        name: str,
        distributions: Mapping[str, Distribution],
        objective: str | Sequence[str],
        result_name: str | Sequence[str],
        sampler: Chosen = "tpe",
        pruner: Chosen = None,
        status: str = RUNNING,
        constraints: Mapping[str, float] | Iterable[str] | None = None,
    ) -> None:
        self._set(name, distributions, objective, result_name, sampler, pruner, status, constraints)
        self.check_here()

    def _set(
        self,
        name: str,
        distributions: Mapping[str, Distribution],
        objective: str | Sequence[str],
        result_name: str | Sequence[str],
        sampler: Chosen,
        pruner: Chosen,
        status: str,
        constraints: Mapping[str, float] | Iterable[str] | None,
    ) -> None:
        super().__init__(name, status)
        self.distributions = check_distributions(distributions)
        self._space()
        self.objective, self.result_name = objective, result_name
        self.goals()
        self.constraints = _limits(constraints)
        self.sampler, self.pruner = choose("sampler", sampler or "tpe"), choose("pruner", pruner)
        self._check_grid()
        if self.pruner is not None and len(self.goals()) > 1:
            raise ValueError("a pruner needs one result to go by, and this search has several")

    def params(self) -> JSON:
        """What it is made of."""
        constraints = {"constraints": self.constraints} if self.constraints else {}
        return {
            "distributions": to_params(self.distributions),
            "objective": _listed(self.objective),
            "resultName": _listed(self.result_name),
            "sampler": self.sampler,
            "pruner": self.pruner,
            **constraints,
        }

    @classmethod
    def from_params(cls, name: str, status: str, params: JSON) -> Self:
        """See `Experiment.from_params`. What its sampler needs may be missing here."""
        search = cls.__new__(cls)
        search._set(
            name,
            from_params(params["distributions"]),
            params["objective"],
            params["resultName"],
            params.get("sampler"),
            params.get("pruner"),
            status,
            params.get("constraints"),
        )
        return search

    def goals(self) -> Mapping[str, str]:
        """See `Experiment.goals`."""
        return _goals(self.objective, self.result_name)

    def limits(self) -> Mapping[str, float]:
        """See `Experiment.limits`."""
        return self.constraints

    def check_hyperparameters(self, hyperparameters: Mapping[str, JSON]) -> None:
        """See `Experiment.check_hyperparameters`."""
        check_exact_names(hyperparameters, names_of_job(self.distributions, hyperparameters))

    def propose(self, standing: Standing) -> Proposal:
        """What the sampler asks for next."""
        check_packages("sampler", self.sampler)
        records = list(standing.records())
        study = self._study(records, {}, standing.proposed)
        before = notes_of(study)
        known = {_point(each.draft.hyperparameters) for each in records}
        for _ in range(self._tries(known)):
            with quiet(load_optuna()), self._faults_of_sampler():
                trial = study.ask()
                hyperparameters = self._space().ask(trial)
            if not self._is_finite or _point(hyperparameters) not in known:
                # CMA-ES keeps what it has learned with its trials.
                origin = origin_of(study, trial.number, before)
                return Proposal(Draft(hyperparameters=hyperparameters, origin=origin))
        return standing.is_exhausted()

    def should_prune(self, job: Job) -> bool:
        """Whether the pruner gives the job up, after what it has reported."""
        if self.pruner is None:
            return False
        check_packages("pruner", self.pruner)
        with self._storage.database.reading() as tx:
            records = list(read_all(tx, self._storage.key))
        study = self._study(records, self._storage.reports(), 0)
        at = next((i for i, each in enumerate(records) if each.id == job.job_id), None)
        trial = None if at is None else study.get_trials(deepcopy=False)[at]
        if trial is None or trial.state.is_finished() or not trial.intermediate_values:
            return False
        is_poor = bool(study.pruner.prune(study, trial))
        # Halving compares a job with those that came as far: it notes how far each has come.
        origin = origin_of(study, trial.number)
        kept = records[trial.number].draft.origin
        if any(kept.get(key) != value for key, value in origin.items()):
            self._storage.add_to_origin(job.job_id, origin)
        return is_poor

    def study(self) -> Any:
        """An Optuna study of the jobs as they are now, for ``optuna.visualization``.

        What is done to it is not stored.
        """
        with self._storage.database.reading() as tx:
            records = list(read_all(tx, self._storage.key))
        return self._study(records, self._storage.reports(), 0)

    def best_jobs(self) -> list[Job]:
        """The jobs that no other beats in all results that count, within the constraints.

        With several results this is Optuna's Pareto front, ``study().best_trials``.
        """
        best = {trial.user_attrs["job"] for trial in self.study().best_trials}
        return [job for job in self.all_jobs() if job.job_id in best]

    def _space(self) -> OptunaSpace:
        return OptunaSpace(self.distributions)

    def _study(self, records: Iterable[Record], reports: Reports, proposed: int) -> Any:
        space = self._space()
        maker = StudyMaker(self.name, space, self.goals(), self.limits())
        chosen, is_constrained = self._sampler_for(space), bool(self.limits())
        sampler = make_sampler(chosen, proposed, is_constrained=is_constrained)
        return maker.make(records, reports, sampler, make_pruner(self.pruner))

    def check_here(self) -> None:
        """See `Experiment.check_here`: the sampler takes these hyperparameters and results."""
        check_packages("sampler", self.sampler)
        check_packages("pruner", self.pruner)
        with quiet(load_optuna()):
            study = self._study([], {}, 0)
            with self._faults_of_sampler():
                # Of all hyperparameters, whatever they depend on.
                plain = {name: without_condition(each) for name, each in self.distributions.items()}
                OptunaSpace(plain).ask(study.ask())

    @contextlib.contextmanager
    def _faults_of_sampler(self) -> Iterator[None]:
        """Options that it doesn't take may be found out late, and by any error."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - a library's own code
            words = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"sampler {next(iter(self.sampler))}: {words}") from None

    @property
    def _is_finite(self) -> bool:
        """Whether the sampler gives out points of which there are only so many."""
        return bool({_GRID, _BRUTE_FORCE} & set(self.sampler))

    def _tries(self, known: set[Point]) -> int:
        """How often to ask for a point that no job has yet."""
        if _GRID not in self.sampler:
            return 1
        # Its own numbers say nothing of jobs that were added by hand, or deleted.
        grid = self.sampler[_GRID]["search_space"]
        points = [dict(zip(grid, each, strict=True)) for each in itertools.product(*grid.values())]
        return len(points) if any(self._point_of(each) not in known for each in points) else 0

    def _point_of(self, chosen: Mapping[str, JSON]) -> Point:
        """The point of a job for which Optuna has chosen these values."""
        values = {
            name: each.value if isinstance(each, Constant) else chosen[name]
            for name, given in self.distributions.items()
            for each in [without_condition(given)]
        }
        return _point({name: values[name] for name in names_of_job(self.distributions, values)})

    def _check_grid(self) -> None:
        if _GRID not in self.sampler:
            return
        grid, space = self.sampler[_GRID]["search_space"], self._space()
        if not isinstance(grid, dict) or not all(isinstance(axis, list) for axis in grid.values()):
            raise ValueError(f"GridSampler's search_space must be lists by name, not {grid!r}")
        if set(grid) != set(space.names):
            raise ValueError(
                f"GridSampler's search_space must be of {', '.join(sorted(space.names))}, "
                f"not of {', '.join(sorted(grid)) or 'nothing'}"
            )
        for name, value in [(name, value) for name, values in grid.items() for value in values]:
            if not space.contains(name, value):
                raise ValueError(
                    f"GridSampler's search_space: {name!r} is never {value!r} by its distribution"
                )

    def _sampler_for(self, space: OptunaSpace) -> JSON:
        """The sampler's name and options; values in them as Optuna has them."""
        if _GRID not in self.sampler:
            return self.sampler
        options = self.sampler[_GRID]
        grid = {
            name: [space.as_optunas(name, value) for value in values]
            for name, values in options["search_space"].items()
        }
        return {_GRID: options | {"search_space": grid}}


def _point(hyperparameters: Mapping[str, JSON]) -> Point:
    return frozenset((name, value_key(value)) for name, value in hyperparameters.items())


def _goals(objective: str | Sequence[str], result_name: str | Sequence[str]) -> dict[str, str]:
    """Whether ``min`` or ``max`` is best of each result that counts.

    Raises:
        ValueError: they aren't that.
    """
    objectives, names = _as_list(objective), _as_list(result_name)
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValueError(f"result_name must be a result's name, not {name!r}")
    checked = [check_objective(each) for each in objectives]
    if not names or len(checked) != len(names) or len(set(names)) != len(names):
        raise ValueError(
            f"each result needs one objective, and there are {len(checked)} objectives "
            f"for {', '.join(map(repr, names))}"
        )
    return dict(zip(names, checked, strict=True))


def _limits(constraints: object) -> dict[str, float]:
    """What some results may be at most.

    Raises:
        ValueError: it isn't that.
    """
    if constraints is None or isinstance(constraints, str | Mapping):
        given = {constraints: 0.0} if isinstance(constraints, str) else constraints or {}
    elif isinstance(constraints, Iterable):
        given = dict.fromkeys(constraints, 0.0)
    else:
        given = {None: 0.0}
    found = {}
    for name, most in given.items():
        plain = number(most)
        if not isinstance(name, str) or not name or plain is None or math.isinf(plain):
            raise ValueError(
                "constraints must be results with what each may be at most, as "
                f"{{'latency_ms': 50}}, not {constraints!r}"
            )
        found[name] = plain
    return found


def _as_list(given: object) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


def _listed(given: str | Sequence[str]) -> JSON:
    return given if isinstance(given, str) else list(given)
