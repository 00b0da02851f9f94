"""Hyperparameters as Optuna has them, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from caikit_nb.experiments.distributions import (
    Choice,
    Constant,
    Distribution,
    Integer,
    LogUniform,
    Normal,
    Uniform,
    is_drawn,
    without_condition,
)
from caikit_nb.experiments.encoding import JSON, to_json
from caikit_nb.experiments.optuna_parts import load_optuna
from caikit_nb.experiments.results import number


class OptunaSpace:
    """Distributions, asked of Optuna one by one: so a hyperparameter may depend on those before.

    Args:
        distributions: By hyperparameter, as `distributions.check_distributions` has checked them.

    Raises:
        ValueError: one isn't for Optuna's samplers.
    """

    def __init__(self, distributions: Mapping[str, Distribution]) -> None:
        self.distributions = distributions
        for name, each in distributions.items():
            _check(name, without_condition(each))
        self._free = {
            name: without_condition(each)
            for name, each in distributions.items()
            if not isinstance(without_condition(each), Constant)
        }
        self._choices = {
            name: _Choices(each) for name, each in self._free.items() if isinstance(each, Choice)
        }

    @property
    def names(self) -> list[str]:
        """The hyperparameters that Optuna chooses."""
        return list(self._free)

    def ask(self, trial: Any) -> dict[str, JSON]:
        """The hyperparameters that a new trial suggests."""
        values: dict[str, JSON] = {}
        for name, each in self.distributions.items():
            if is_drawn(each, values):
                plain = without_condition(each)
                values[name] = (
                    plain.value if isinstance(plain, Constant) else self._ask_one(trial, name)
                )
        return values

    def _ask_one(self, trial: Any, name: str) -> JSON:
        match self._free[name]:
            case LogUniform(low=low, high=high):
                return trial.suggest_float(name, low, high, log=True)
            case Uniform(low=low, last=last, step=step) as each:
                return each.on_step(trial.suggest_float(name, low, last, step=step))
            case Integer(low=low, last=last, step=step, log=log):
                return trial.suggest_int(name, low, last, step=step, log=log)
        choices = self._choices[name]
        return choices.ours(trial.suggest_categorical(name, choices.optunas))

    def given(self, hyperparameters: Mapping[str, JSON]) -> tuple[dict[str, Any], dict[str, Any]]:
        """A job's hyperparameters and their distributions; what is out of range is left out."""
        params: dict[str, Any] = {}
        for name in self._free:
            if name in hyperparameters and self.contains(name, hyperparameters[name]):
                params[name] = self.as_optunas(name, hyperparameters[name])
        return params, {name: self._distribution(name) for name in params}

    def contains(self, name: str, value: JSON) -> bool:
        """Whether a hyperparameter may have a value."""
        each = self._free[name]
        if isinstance(each, Choice):
            return self._choices[name].contains(value)
        plain = number(value)
        if plain is None or not isinstance(each, LogUniform | Uniform | Integer):
            return False
        if not each.low <= plain <= each.high:
            return False
        if isinstance(each, LogUniform) or each.step is None:
            return True
        steps = (plain - each.low) / each.step
        return math.isclose(steps, round(steps), abs_tol=1e-8)

    def as_optunas(self, name: str, value: JSON) -> Any:
        """A value as Optuna has it."""
        each = self._free[name]
        if isinstance(each, Choice):
            return self._choices[name].theirs(value)
        return int(value) if isinstance(each, Integer) else float(value)

    def _distribution(self, name: str) -> Any:
        kinds = load_optuna().distributions
        match self._free[name]:
            case LogUniform(low=low, high=high):
                return kinds.FloatDistribution(low, high, log=True)
            case Uniform(low=low, last=last, step=step):
                return kinds.FloatDistribution(low, last, step=step)
            case Integer(low=low, last=last, step=step, log=log):
                return kinds.IntDistribution(low, last, step=step, log=log)
        return kinds.CategoricalDistribution(self._choices[name].optunas)


class _Choices:
    """A Choice's values as Optuna has them.

    Optuna takes numbers, texts, None, and compares them: 1, 1.0 and true are equal. Where that
    would mix values up, and for lists, its choices are JSON texts.
    """

    def __init__(self, choice: Choice) -> None:
        values = choice.values
        are_plain = all(value is None or isinstance(value, str | int | float) for value in values)
        keeps = are_plain and len(set(values)) == len(values)
        keeps = keeps and not any(isinstance(v, float) and math.isnan(v) for v in values)
        keeps = keeps or all(isinstance(value, str) for value in values)
        self.optunas: list[Any] = list(values) if keeps else [to_json(value) for value in values]
        self._values = values
        self._theirs = dict(zip(map(to_json, values), self.optunas, strict=True))

    def contains(self, value: JSON) -> bool:
        return to_json(value) in self._theirs

    def theirs(self, value: JSON) -> Any:
        return self._theirs[to_json(value)]

    def ours(self, optunas: Any) -> JSON:
        return self._values[self.optunas.index(optunas)]


def _check(name: str, distribution: Distribution) -> None:
    if isinstance(distribution, Normal):
        raise ValueError(f"Optuna's samplers need bounds: give {name!r} a Uniform, not a Normal")
    if isinstance(distribution, Choice) and distribution.weights is not None:
        raise ValueError(f"Optuna's samplers weigh choices themselves: give {name!r} no weights")
