"""Searches that look at no job: by hand, and at random."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from typing import ClassVar, Self

from caikit_nb.experiments.distributions import (
    Distribution,
    check_distributions,
    from_params,
    is_drawn,
    names_of_job,
    to_params,
)
from caikit_nb.experiments.encoding import JSON
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.proposal import Proposal, Standing
from caikit_nb.experiments.rows import Draft
from caikit_nb.experiments.statuses import RUNNING

generator = random.SystemRandom()


def check_exact_names(given: Mapping[str, JSON], expected: Collection[str]) -> None:
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
        check_exact_names(hyperparameters, names_of_job(self.distributions, hyperparameters))


def drawn(distributions: Mapping[str, Distribution]) -> dict[str, JSON]:
    """A value of each that a job has."""
    values: dict[str, JSON] = {}
    for name, each in distributions.items():
        if is_drawn(each, values):
            values[name] = each.sample(generator)
    return values
