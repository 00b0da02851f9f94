"""Searches that look at no results: by hand, at random, on a grid."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from caikit_nb.experiments.distributions import (
    Distribution,
    check_distributions,
    from_params,
    to_params,
)
from caikit_nb.experiments.encoding import JSON, plain_values
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.proposal import Proposal, Standing
from caikit_nb.experiments.rows import Draft
from caikit_nb.experiments.statuses import RUNNING

generator = random.SystemRandom()


def check_exact_names(given: Mapping[str, JSON], expected: Mapping[str, object]) -> None:
    """See that a job has the search's hyperparameters and no others.

    Raises:
        ValueError: it hasn't.
    """
    if set(given) != set(expected):
        raise ValueError(
            f"a job of this experiment has the hyperparameters {', '.join(sorted(expected))}, "
            f"and no others, not {', '.join(sorted(given)) or 'none'}"
        )


class ManualSearch(Experiment):
    """Only the jobs that are added by hand (contracts S16)."""

    SEARCH: ClassVar[str] = "Manual"

    def params(self) -> JSON:
        """It has none."""
        return None

    @classmethod
    def from_params(cls, name: str, status: str, params: JSON) -> Self:
        """See `Experiment.from_params`."""
        if params is not None:
            raise ValueError(f"a Manual search has no parameters, not {params!r}")
        return cls(name, status)


class RandomSearch(Experiment):
    """New jobs without end, drawn from distributions (contracts S17).

    Args:
        name: What it is known by.
        distributions: A distribution for each hyperparameter.
        status: RUNNING or DONE.
    """

    SEARCH: ClassVar[str] = "RandomSearch"

    def __init__(
        self, name: str, distributions: Mapping[str, Distribution], status: str = RUNNING
    ) -> None:
        super().__init__(name, status)
        self.distributions = check_distributions(distributions)

    def params(self) -> JSON:
        """The distributions."""
        return to_params(self.distributions)

    @classmethod
    def from_params(cls, name: str, status: str, params: JSON) -> Self:
        """See `Experiment.from_params`."""
        return cls(name, from_params(params), status)

    def propose(self, standing: Standing) -> Proposal:
        """A job of values drawn anew."""
        return Proposal(Draft(hyperparameters=drawn(self.distributions)))

    def check_hyperparameters(self, hyperparameters: Mapping[str, JSON]) -> None:
        """See `Experiment.check_hyperparameters`."""
        check_exact_names(hyperparameters, self.distributions)


def drawn(distributions: Mapping[str, Distribution]) -> dict[str, JSON]:
    """A value of each."""
    return {name: each.sample(generator) for name, each in distributions.items()}


class GridSearch(Experiment):
    """Every combination of some values, once; then it is DONE.

    Args:
        name: What it is known by.
        grid: The values of each hyperparameter. The last one changes fastest.
        status: RUNNING or DONE.
    """

    SEARCH: ClassVar[str] = "Grid"

    def __init__(
        self, name: str, grid: Mapping[str, Sequence[JSON]], status: str = RUNNING
    ) -> None:
        super().__init__(name, status)
        if not dict(grid):
            raise ValueError("GridSearch needs the values of at least one hyperparameter")
        self.grid = {name: _axis(name, values) for name, values in grid.items()}

    def params(self) -> JSON:
        """The values by name."""
        return {name: list(values) for name, values in self.grid.items()}

    @classmethod
    def from_params(cls, name: str, status: str, params: JSON) -> Self:
        """See `Experiment.from_params`."""
        return cls(name, params, status)

    def __len__(self) -> int:
        return math.prod(len(values) for values in self.grid.values())

    def propose(self, standing: Standing) -> Proposal:
        """The next combination."""
        if standing.proposed >= len(self):
            return Proposal(why="every point of the grid was given out", is_over=True)
        return Proposal(Draft(hyperparameters=self._point(standing.proposed)))

    def _point(self, number: int) -> dict[str, JSON]:
        chosen = {}
        for name, values in reversed(self.grid.items()):
            number, at = divmod(number, len(values))
            chosen[name] = values[at]
        return {name: chosen[name] for name in self.grid}

    def check_hyperparameters(self, hyperparameters: Mapping[str, JSON]) -> None:
        """See `Experiment.check_hyperparameters`."""
        check_exact_names(hyperparameters, self.grid)


def _axis(name: object, values: object) -> list[JSON]:
    if not isinstance(name, str):
        raise ValueError(f"grid: a hyperparameter's name is a text, not {name!r}")
    if isinstance(values, str | Mapping) or not hasattr(values, "__iter__"):
        raise ValueError(f"grid: {name!r} needs a list of values, not {values!r}")
    plain = plain_values({name: list(values)}, "grid")[name]
    if not plain:
        raise ValueError(f"grid: {name!r} needs at least one value")
    axis: list[JSON] = plain
    return axis
