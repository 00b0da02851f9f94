"""Population based training (contracts S18 to S20).

Each member of the population trains for a while and reports its result: that is one job. When a
worker asks for more, a member that has finished goes on to its next generation. If it is among
the worst it goes on from one of the best instead: with that one's hyperparameters and results (a
``model_path`` among them, say), and its hyperparameters are changed a little.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from caikit_nb.experiments.distributions import (
    Distribution,
    Integer,
    Uniform,
    When,
    check_distributions,
    from_params,
    to_params,
)
from caikit_nb.experiments.encoding import JSON
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.pbt_strategies import Perturb, Truncate
from caikit_nb.experiments.proposal import Proposal, Standing
from caikit_nb.experiments.results import MAXIMIZE, MINIMIZE, check_objective, number
from caikit_nb.experiments.rows import Draft, Record
from caikit_nb.experiments.searches import drawn, generator
from caikit_nb.experiments.statuses import DONE, RUNNING, TERMINAL_STATUSES

__all__ = ["MAXIMIZE", "MINIMIZE", "Perturb", "PopulationBasedTraining", "Truncate"]


@dataclass(frozen=True, slots=True)
class _Member:
    """A line of jobs, each of which goes on from one before.

    Attributes:
        number: Its number in the population.
        newest: Its newest job.
        done: Its newest job with a result; None if it has none.
        value: That result.
    """

    number: int
    newest: Record
    done: Record | None
    value: float

    @property
    def generation(self) -> int:
        """That of its newest job, from 0."""
        return int(self.newest.draft.origin.get("generation", 0))

    @property
    def waits(self) -> bool:
        """Whether its newest job has ended."""
        return self.newest.status in TERMINAL_STATUSES

    @property
    def has_failed(self) -> bool:
        """Whether its newest job has ended without a result."""
        return self.waits and self.newest is not self.done


class PopulationBasedTraining(Experiment):
    """A population of jobs that learn from one another.

    Args:
        name: What it is known by.
        objective: `MINIMIZE` or `MAXIMIZE`.
        result_name: The result that every job reports.
        exploit: Who goes on from whom.
        explore: How each hyperparameter changes.
        initial_distributions: What the first generation is drawn from; without it, that is added
            by hand.
        population_size: How many members; as many as there are workers if None.
        status: RUNNING or DONE.
        max_generations: After so many the experiment is DONE; None for no end.

    Raises:
        ValueError: one of them isn't what it must be.
    """

    SEARCH: ClassVar[str] = "PBT"

    def __init__(
        self,
        name: str,
        objective: str,
        result_name: str,
        exploit: Truncate,
        explore: Mapping[str, Perturb] | None = None,
        initial_distributions: Mapping[str, Distribution] | None = None,
        population_size: int | None = None,
        status: str = RUNNING,
        max_generations: int | None = None,
    ) -> None:
        super().__init__(name, status)
        self.objective = check_objective(objective)
        if not result_name:
            raise ValueError(f"result_name must be a result's name, not {result_name!r}")
        self.result_name = result_name
        if not isinstance(exploit, Truncate):
            raise ValueError(f"exploit must be a Truncate, not {exploit!r}")
        self.exploit = exploit
        self.explore = dict(explore or {})
        for key, strategy in self.explore.items():
            if not isinstance(strategy, Perturb):
                raise ValueError(f"explore: {key!r} must be a Perturb, not {strategy!r}")
        self.initial_distributions = check_distributions(
            initial_distributions or {}, "initial_distributions"
        )
        for key, each in self.initial_distributions.items():
            if isinstance(each, When):
                raise ValueError(
                    f"initial_distributions: {key!r} can't be a When: all of a population have "
                    "the same hyperparameters"
                )
        missing = set(self.explore) - set(self.initial_distributions)
        if self.initial_distributions and missing:
            raise ValueError(f"explore: {min(missing)!r} is not in initial_distributions")
        self.population_size = _count("population_size", population_size)
        self.max_generations = _count("max_generations", max_generations)

    def params(self) -> JSON:
        """See contracts S18."""
        optional: dict[str, Any] = {
            "numParallel": self.population_size,
            "maxGenerations": self.max_generations,
        }
        return {
            "objective": self.objective,
            "qualityResultName": self.result_name,
            "exploit": {Truncate.KIND: self.exploit.proportion},
            "init": to_params(self.initial_distributions),
            "explore": {name: _perturbation(each) for name, each in self.explore.items()},
            **{name: value for name, value in optional.items() if value is not None},
        }

    @classmethod
    def from_params(cls, name: str, status: str, params: JSON) -> Self:
        """See `Experiment.from_params`."""
        return cls(
            name,
            params["objective"],
            params["qualityResultName"],
            Truncate(params["exploit"][Truncate.KIND]),
            {
                key: Perturb(stored[Perturb.KIND]["minFactor"], stored[Perturb.KIND]["maxFactor"])
                for key, stored in (params.get("explore") or {}).items()
            },
            from_params(params.get("init") or {}),
            params.get("numParallel", params.get("populationSize")),
            status,
            params.get("maxGenerations"),
        )

    def goals(self) -> Mapping[str, str]:
        """See `Experiment.goals`."""
        return {self.result_name: self.objective}

    def check_hyperparameters(self, hyperparameters: Mapping[str, JSON]) -> None:
        """See `Experiment.check_hyperparameters`."""
        for name, strategy in self.explore.items():
            if name not in hyperparameters:
                raise ValueError(f"a job of this experiment needs the hyperparameter {name!r}")
            strategy.change(name, hyperparameters[name])

    def propose(self, standing: Standing) -> Proposal:
        """The next generation of a member, or another member of the first."""
        members = self._members(standing.records())
        waiting = [each for each in members if each.waits and self._goes_on(each)]
        if self._is_short_of(members, waiting):
            draft = Draft(hyperparameters=drawn(self.initial_distributions))
            return Proposal(self._marked(draft, len(members), 0, None))
        if waiting:
            oldest = min(waiting, key=lambda each: (each.generation, each.newest.key))
            return Proposal(self._next_of(oldest, members))
        if members and all(each.waits for each in members):
            return Proposal(why=f"{self.max_generations} generations have ended", is_over=True)
        if members:
            return Proposal(why="every member of the population is being trained")
        return Proposal(why="without initial_distributions its first jobs are added by hand")

    def _is_short_of(self, members: list[_Member], waiting: list[_Member]) -> bool:
        """Whether the population needs another member."""
        if not self.initial_distributions:
            return False
        if self.population_size is not None:
            return len(members) < self.population_size
        return not waiting and all(self._goes_on(each) for each in members)

    def _goes_on(self, member: _Member) -> bool:
        return self.max_generations is None or member.generation + 1 < self.max_generations

    def _members(self, records: Iterable[Record]) -> list[_Member]:
        """The population. A job that was added by hand begins a member of its own."""
        members: dict[int, _Member] = {}
        for record in records:
            at = record.draft.origin.get("member", -record.key)
            before, value = members.get(at), self._value(record)
            if value is not None:
                members[at] = _Member(at, record, record, value)
            elif before is not None:
                members[at] = _Member(at, record, before.done, before.value)
            else:
                members[at] = _Member(at, record, None, 0.0)
        return list(members.values())

    def _value(self, record: Record) -> float | None:
        if record.status != DONE:
            return None
        return number(record.draft.results.get(self.result_name))

    def _next_of(self, member: _Member, members: list[_Member]) -> Draft:
        parent = self._parent(member, members)
        hyperparameters = dict(parent.draft.hyperparameters)
        for name, strategy in self.explore.items():
            if number(hyperparameters.get(name)) is not None:
                changed = strategy.change(name, hyperparameters[name])
                drawn_from = self.initial_distributions.get(name)
                if isinstance(drawn_from, Integer | Uniform):
                    changed = drawn_from.near(changed, generator)
                hyperparameters[name] = changed
        draft = Draft(hyperparameters=hyperparameters, results=parent.draft.results)
        return self._marked(draft, member.number, member.generation + 1, parent.id)

    def _parent(self, member: _Member, members: list[_Member]) -> Record:
        """The job to go on from: its own, or one of the best's if it is among the worst."""
        sign = -1.0 if self.objective == MAXIMIZE else 1.0
        ranked = sorted(
            (each for each in members if each.done or each.has_failed),
            key=lambda each: (each.has_failed, sign * each.value),
        )
        size = self.exploit.size(len(ranked))
        is_poor = member.has_failed or member in ranked[len(ranked) - size :]
        best = [each.done for each in ranked if each.done][: max(1, size)]
        return generator.choice(best) if is_poor and best else member.newest

    def _marked(self, draft: Draft, member: int, generation: int, parent: str | None) -> Draft:
        origin = {"member": member, "generation": generation, "parent": parent}
        return dataclasses.replace(draft, origin=origin)


def _perturbation(strategy: Perturb) -> JSON:
    factors = {"minFactor": strategy.min_factor, "maxFactor": strategy.max_factor}
    return {Perturb.KIND: factors}


def _count(name: str, value: object) -> int | None:
    if value is None:
        return None
    whole = number(value)
    if whole is None or whole < 1 or whole != int(whole):
        raise ValueError(f"{name} must be a whole number from 1, or None, not {value!r}")
    return int(whole)
