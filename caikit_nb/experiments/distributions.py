"""Distributions of hyperparameters (contracts S21): validated when they are made."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Protocol

from caikit_nb.experiments.encoding import JSON, plain_values, value_key

__all__ = [
    "Choice",
    "Constant",
    "Distribution",
    "Integer",
    "LogUniform",
    "Normal",
    "Uniform",
    "When",
]


class Distribution(Protocol):
    """What a hyperparameter is drawn from."""

    KIND: ClassVar[str]

    def sample(self, generator: random.Random) -> JSON:
        """Draw a value."""

    def args(self) -> JSON:
        """What it is made of, as it is stored."""


@dataclass(frozen=True, slots=True)
class LogUniform:
    """Uniform in the logarithm, from `low` to below `high`; both above 0."""

    low: float
    high: float
    KIND: ClassVar[str] = "loguniform"

    def __post_init__(self) -> None:
        _keep_floats(self, "low", "high")
        if not 0 < self.low < self.high:
            raise ValueError(f"LogUniform needs 0 < low < high, not {self.low:g}, {self.high:g}")

    def sample(self, generator: random.Random) -> float:
        """Draw a value."""
        value = math.exp(generator.uniform(math.log(self.low), math.log(self.high)))
        return _below(value, self.low, self.high)

    def args(self) -> JSON:
        """What it is made of, as it is stored."""
        return {"low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Uniform:
    """Uniform from `low` to below `high`; with a `step` one of low, low + step, … up to `high`."""

    low: float
    high: float
    step: float | None = None
    KIND: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        _keep_floats(self, "low", "high")
        if not self.low < self.high or math.isinf(self.high - self.low):
            raise ValueError(f"Uniform needs low < high, not {self.low:g}, {self.high:g}")
        if self.step is not None:
            _keep_floats(self, "step")
            if not 0 < self.step <= self.high - self.low:
                raise ValueError(
                    f"Uniform needs a step above 0 that is at most high - low, not {self.step:g}"
                )

    @property
    def last(self) -> float:
        """Its end: with a step the last value that one reaches."""
        return self.high if self.step is None else self._at(self._count() - 1)

    def sample(self, generator: random.Random) -> float:
        """Draw a value."""
        if self.step is not None:
            return self._at(generator.randrange(self._count()))
        value = self.low + (self.high - self.low) * generator.random()
        return _below(value, self.low, self.high)

    def on_step(self, value: float) -> float:
        """The value, without what rounding has done to it on its step."""
        if self.step is None:
            return value
        return self._at(round((Fraction(value) - _exact(self.low)) / _exact(self.step)))

    def near(self, value: float, generator: random.Random) -> float:
        """A value that can be drawn, next to another; by chance, if it lies between two."""
        if self.step is None:
            return value
        steps = (Fraction(value) - _exact(self.low)) / _exact(self.step)
        return self._at(_rounded(steps, self._count() - 1, generator))

    def args(self) -> JSON:
        """What it is made of, as it is stored."""
        step = {} if self.step is None else {"step": self.step}
        return {"low": self.low, "high": self.high, **step}

    def _count(self) -> int:
        assert self.step is not None  # noqa: S101 - only asked then
        return (_exact(self.high) - _exact(self.low)) // _exact(self.step) + 1

    def _at(self, number: int) -> float:
        """A value by its number; in exact steps, or it would be 0.30000000000000004."""
        assert self.step is not None  # noqa: S101 - only asked then
        return float(_exact(self.low) + number * _exact(self.step))


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from `low` to `high`, both included.

    Args:
        low: The least.
        high: The most.
        step: low, low + step, … up to `high`.
        log: Uniform in the logarithm; `low` is at least 1 then, and `step` 1.
    """

    low: int
    high: int
    step: int = 1
    log: bool = False
    KIND: ClassVar[str] = "integer"

    def __post_init__(self) -> None:
        for name in ("low", "high", "step"):
            object.__setattr__(self, name, _whole(getattr(self, name), name))
        if not self.low <= self.high or self.step < 1:
            raise ValueError(
                f"Integer needs low <= high and a step of 1 or more, not {self.low}, {self.high}, "
                f"{self.step}"
            )
        if self.log not in (True, False):
            raise ValueError(f"log must be True or False, not {self.log!r}")
        object.__setattr__(self, "log", bool(self.log))
        if self.log and (self.low < 1 or self.step != 1):
            raise ValueError("Integer with log needs low >= 1, and no step")

    @property
    def last(self) -> int:
        """The last value that a step reaches."""
        return self.low + (self.high - self.low) // self.step * self.step

    def sample(self, generator: random.Random) -> int:
        """Draw a value."""
        if self.log:
            ends = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return min(max(round(math.exp(generator.uniform(*ends))), self.low), self.high)
        return generator.randrange(self.low, self.high + 1, self.step)

    def near(self, value: float, generator: random.Random) -> int:
        """A value that can be drawn, next to another; by chance, if it lies between two."""
        steps = (Fraction(value) - self.low) / self.step
        most = (self.high - self.low) // self.step
        return self.low + self.step * _rounded(steps, most, generator)

    def args(self) -> JSON:
        """What it is made of, as it is stored."""
        step = {} if self.step == 1 else {"step": self.step}
        return {"low": self.low, "high": self.high, **step, **({"log": True} if self.log else {})}


@dataclass(frozen=True, slots=True)
class Normal:
    """The normal distribution; `std` is above 0."""

    mean: float
    std: float
    KIND: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        _keep_floats(self, "mean", "std")
        if not self.std > 0:
            raise ValueError(f"Normal needs a std above 0, not {self.std:g}")

    def sample(self, generator: random.Random) -> float:
        """Draw a value."""
        return generator.normalvariate(self.mean, self.std)

    def args(self) -> JSON:
        """What it is made of, as it is stored."""
        return {"mean": self.mean, "std": self.std}


@dataclass(frozen=True, init=False, slots=True)
class Choice:
    """One of some values, drawn with equal chances or by weights.

    Args:
        values: Any JSON values.
        weights: As many numbers, not all 0; None for equal chances.
    """

    values: tuple[JSON, ...]
    weights: tuple[float, ...] | None
    KIND: ClassVar[str] = "choice"

    def __init__(self, values: Iterable[JSON], weights: Iterable[float] | None = None) -> None:
        plain = plain_values({"values": list(values)}, "Choice")["values"]
        object.__setattr__(self, "values", tuple(plain))
        given = None if weights is None else tuple(_float(w, "weights") for w in weights)
        object.__setattr__(self, "weights", given)
        if not self.values:
            raise ValueError("Choice needs at least one value")
        if given is not None and len(given) != len(self.values):
            raise ValueError(
                f"Choice needs a weight for each value, not {len(given)} for {len(self.values)}"
            )
        if given is not None and (min(given) < 0 or not 0 < sum(given) < math.inf):
            raise ValueError("Choice needs weights of 0 or more, and one above 0")

    def __hash__(self) -> int:
        return hash((self.KIND, len(self.values)))  # the values may be lists

    def sample(self, generator: random.Random) -> JSON:
        """Draw a value."""
        return generator.choices(self.values, self.weights)[0]

    def args(self) -> JSON:
        """What it is made of, as it is stored."""
        weights = {} if self.weights is None else {"weights": list(self.weights)}
        return {"values": list(self.values), **weights}


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same value."""

    value: JSON
    KIND: ClassVar[str] = "const"

    def __post_init__(self) -> None:
        plain = plain_values({"value": self.value}, "Constant")["value"]
        object.__setattr__(self, "value", plain)

    def __hash__(self) -> int:
        return hash(self.KIND)  # the value may be a list

    def sample(self, generator: random.Random) -> JSON:
        """The value."""
        return self.value

    def args(self) -> JSON:
        """The value, as it is stored."""
        return self.value


@dataclass(frozen=True, init=False, slots=True)
class When:
    """A hyperparameter that a job has only where others have certain values.

    ``{"kernel": Choice(["rbf", "linear"]), "gamma": When({"kernel": "rbf"}, Uniform(0, 1))}``

    Args:
        conditions: What others must be, all of them: a value, or a list of those that will do.
            They stand before it among the distributions.
        distribution: What it is drawn from then.
    """

    conditions: Mapping[str, tuple[JSON, ...]]
    distribution: Distribution
    KIND: ClassVar[str] = "when"

    def __init__(self, conditions: Mapping[str, JSON], distribution: Distribution) -> None:
        if not isinstance(distribution, _DISTRIBUTIONS):
            raise ValueError(f"When needs {_ONE_OF}, not {distribution!r}")
        accepted = _conditions(conditions)
        plain = plain_values(accepted, "When")
        for name, values in plain.items():
            if not values:
                raise ValueError(f"When needs at least one value of {name!r}")
        kept = {name: tuple(values) for name, values in plain.items()}
        object.__setattr__(self, "conditions", kept)
        object.__setattr__(self, "distribution", distribution)

    def __hash__(self) -> int:
        return hash((self.KIND, *self.conditions, self.distribution))

    def holds(self, values: Mapping[str, JSON]) -> bool:
        """Whether a job with these hyperparameters has it, too."""
        return all(
            name in values and value_key(values[name]) in map(value_key, accepted)
            for name, accepted in self.conditions.items()
        )

    def sample(self, generator: random.Random) -> JSON:
        """Draw a value."""
        return self.distribution.sample(generator)

    def args(self) -> JSON:
        """What it is made of, as it is stored."""
        conditions = {name: list(values) for name, values in self.conditions.items()}
        then = {self.distribution.KIND: self.distribution.args()}
        return {"conditions": conditions, "distribution": then}


_DISTRIBUTIONS = (LogUniform, Uniform, Integer, Normal, Choice, Constant)
_KINDS: Mapping[str, Any] = {kind.KIND: kind for kind in (*_DISTRIBUTIONS, When)}
_ONE_OF = f"a {', '.join(kind.__name__ for kind in _DISTRIBUTIONS[:-1])} or Constant"


def check_distributions(given: object, what: str = "distributions") -> dict[str, Distribution]:
    """Distributions by hyperparameter, if they are that.

    Raises:
        ValueError: they are not.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{what} map names to distributions, and this is a {type(given).__name__}")
    checked: dict[str, Any] = {}
    for name, distribution in given.items():
        if not isinstance(name, str):
            raise ValueError(f"{what}: a hyperparameter's name is a text, not {name!r}")
        if not isinstance(distribution, tuple(_KINDS.values())):
            raise ValueError(f"{what}: {name!r} must be {_ONE_OF}, not {distribution!r}")
        if isinstance(distribution, When):
            _check_conditions(name, distribution, checked, what)
        checked[name] = distribution
    return checked


def _check_conditions(
    name: str, given: When, before: Mapping[str, Distribution], what: str
) -> None:
    for other, values in given.conditions.items():
        if other not in before:
            raise ValueError(f"{what}: {name!r} depends on {other!r}, which must stand before it")
        depends_on = without_condition(before[other])
        if isinstance(depends_on, Choice | Constant):
            all_values = depends_on.values if isinstance(depends_on, Choice) else [depends_on.value]
            never = [v for v in values if value_key(v) not in map(value_key, all_values)]
            if never:
                raise ValueError(f"{what}: {name!r} wants {other!r} to be {never[0]!r}, never so")


def without_condition(distribution: Distribution) -> Distribution:
    """What a hyperparameter is drawn from if a job has it."""
    return distribution.distribution if isinstance(distribution, When) else distribution


def is_drawn(distribution: Distribution, before: Mapping[str, JSON]) -> bool:
    """Whether a job has a hyperparameter, which has these so far."""
    return not isinstance(distribution, When) or distribution.holds(before)


def names_of_job(
    distributions: Mapping[str, Distribution], values: Mapping[str, JSON]
) -> list[str]:
    """The hyperparameters that a job has, if some are these."""
    names: list[str] = []
    for name, distribution in distributions.items():
        if is_drawn(distribution, {each: values[each] for each in names if each in values}):
            names.append(name)
    return names


def to_params(distributions: Mapping[str, Distribution]) -> JSON:
    """Distributions as they are stored (contracts S17)."""
    return {name: {each.KIND: each.args()} for name, each in distributions.items()}


def from_params(params: JSON) -> dict[str, Distribution]:
    """The distributions of a stored form.

    Raises:
        ValueError: it isn't one.
    """
    if not isinstance(params, Mapping):
        raise ValueError(f"distributions are stored as an object, not {params!r}")
    return {str(name): from_args(stored) for name, stored in params.items()}


def from_args(stored: JSON) -> Distribution:
    """One distribution, as in ``{"uniform": {"low": 0, "high": 1}}``.

    Raises:
        ValueError: it isn't one.
    """
    if not isinstance(stored, Mapping) or len(stored) != 1:
        raise ValueError(f"a distribution is an object with one key, not {stored!r}")
    ((kind, args),) = stored.items()
    if kind not in _KINDS:
        raise ValueError(f"a distribution is one of {', '.join(_KINDS)}, not {kind!r}")
    if kind == Constant.KIND:
        return Constant(args)
    try:
        if kind == When.KIND:
            return When(args["conditions"], from_args(args["distribution"]))
        distribution: Distribution = _KINDS[kind](**args)
    except (KeyError, TypeError):
        wants = ", ".join(name for name in _KINDS[kind].__slots__)
        raise ValueError(f"a {kind} distribution has {wants}, and this is {args!r}") from None
    return distribution


def _keep_floats(distribution: object, *names: str) -> None:
    for name in names:
        object.__setattr__(distribution, name, _float(getattr(distribution, name), name))


def _float(value: object, name: str) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, not {value!r}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be a finite number, not {value!r}")
    return number


def _whole(value: object, name: str) -> int:
    number = _float(value, name)
    if isinstance(value, bool) or not number.is_integer():
        raise ValueError(f"{name} must be a whole number, not {value!r}")
    return int(value)  # type: ignore[call-overload,no-any-return]


def _exact(number: float) -> Fraction:
    """The number as it is written: 0.1 is a tenth."""
    return Fraction(repr(number))


def _rounded(number: Fraction, most: int, generator: random.Random) -> int:
    """One of the whole numbers next to it, from 0 to `most`: the nearer it is, the likelier."""
    below = math.floor(number)
    return min(max(below + (generator.random() < number - below), 0), most)


def _conditions(given: object) -> dict[str, list[JSON]]:
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f"When needs the values of other hyperparameters by name, not {given!r}")
    return {name: _alternatives(values) for name, values in given.items()}


def _alternatives(values: object) -> list[JSON]:
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        return [values]
    return list(values)


def _below(value: float, low: float, high: float) -> float:
    """Rounding may reach the end that is not included."""
    return min(max(value, low), math.nextafter(high, low))
