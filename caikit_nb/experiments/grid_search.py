"""Every combination of some values."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Self

from caikit_nb.experiments.encoding import JSON, plain_values, value_key
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.proposal import Proposal, Standing
from caikit_nb.experiments.rows import Draft
from caikit_nb.experiments.searches import check_exact_names
from caikit_nb.experiments.statuses import RUNNING

Point = tuple[str, ...]


class GridSearch(Experiment):
    """Every combination of some values, once; then it is DONE.

    A grid may grow: the points that jobs have already are not given out again.

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
        self._taken = _Taken(())

    def params(self) -> JSON:
        """The values by name."""
        return {name: _axis(name, values) for name, values in self.grid.items()}

    @classmethod
    def from_params(cls, name: str, status: str, params: JSON) -> Self:
        """See `Experiment.from_params`."""
        return cls(name, params, status)

    def __len__(self) -> int:
        return math.prod(len(values) for values in self.grid.values())

    def propose(self, standing: Standing) -> Proposal:
        """The first combination that no job has."""
        if self._taken.names != tuple(self.grid):
            self._taken = _Taken(tuple(self.grid))
        left = self._taken.read(standing)
        for key, values in zip(self._keys(), itertools.product(*self.grid.values()), strict=True):
            if not left[key]:
                return Proposal(Draft(hyperparameters=dict(zip(self.grid, values, strict=True))))
            left[key] -= 1
        return standing.is_exhausted()

    def _keys(self) -> Iterator[Point]:
        axes = [[value_key(value) for value in values] for values in self.grid.values()]
        return itertools.product(*axes)

    def check_hyperparameters(self, hyperparameters: Mapping[str, JSON]) -> None:
        """See `Experiment.check_hyperparameters`."""
        check_exact_names(hyperparameters, self.grid)


class _Taken:
    """The points that jobs have. Each job is read once, as long as none is deleted.

    Args:
        names: The hyperparameters that make a point.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._experiment, self._last, self._count = -1, 0, 0
        self._points: Counter[Point] = Counter()

    def read(self, standing: Standing) -> Counter[Point]:
        """How many jobs have each point."""
        is_known = standing.key == self._experiment
        if not is_known or standing.count_until(self._last) != self._count:
            self._experiment, self._last, self._count = standing.key, 0, 0
            self._points.clear()
        for key, hyperparameters in standing.hyperparameters(behind=self._last):
            self._last, self._count = key, self._count + 1
            point = tuple(value_key(hyperparameters.get(name)) for name in self.names)
            self._points[point] += 1
        return self._points.copy()


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
