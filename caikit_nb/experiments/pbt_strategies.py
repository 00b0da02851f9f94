"""Who goes on from whom in population based training, and how hyperparameters change (S20)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from caikit_nb.experiments.encoding import JSON
from caikit_nb.experiments.results import number
from caikit_nb.experiments.searches import generator


@dataclass(frozen=True, slots=True)
class Truncate:
    """Who is among the worst goes on from one of the best.

    Args:
        proportion: The part of the population that counts as worst and as best: above 0, and at
            most 0.5.
    """

    proportion: float = 0.2
    KIND: ClassVar[str] = "truncate"

    def __post_init__(self) -> None:
        value = number(self.proportion)
        if value is None or not 0 < value <= 0.5:
            raise ValueError(f"proportion must be above 0, at most 0.5, not {self.proportion!r}")
        object.__setattr__(self, "proportion", value)

    def size(self, population: int) -> int:
        """How many are the worst, and how many the best, of so many."""
        return min(math.ceil(population * self.proportion), population // 2)


@dataclass(frozen=True, slots=True)
class Perturb:
    """A hyperparameter is multiplied by a number from `min_factor` to below `max_factor`."""

    min_factor: float = 0.8
    max_factor: float = 1.2
    KIND: ClassVar[str] = "perturb"

    def __post_init__(self) -> None:
        least, most = number(self.min_factor), number(self.max_factor)
        if least is None or most is None or not 0 < least <= most < math.inf:
            raise ValueError(
                f"Perturb needs 0 < min_factor <= max_factor, not {self.min_factor!r}, "
                f"{self.max_factor!r}"
            )
        object.__setattr__(self, "min_factor", least)
        object.__setattr__(self, "max_factor", most)

    def change(self, name: str, value: JSON) -> float:
        """The value, changed.

        Raises:
            ValueError: it isn't a number.
        """
        plain = number(value)
        if plain is None:
            raise ValueError(f"explore: {name!r} must be a number, not {value!r}")
        return plain * generator.uniform(self.min_factor, self.max_factor)
