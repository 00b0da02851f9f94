"""Distributions of hyperparameters (contracts S21): validated when they are made."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from caikit_nb.experiments.encoding import JSON, plain_values

__all__ = ["Choice", "Constant", "Distribution", "LogUniform", "Normal", "Uniform"]


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
    """Uniform from `low` to below `high`."""

    low: float
    high: float
    KIND: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        _keep_floats(self, "low", "high")
        if not self.low < self.high or math.isinf(self.high - self.low):
            raise ValueError(f"Uniform needs low < high, not {self.low:g}, {self.high:g}")

    def sample(self, generator: random.Random) -> float:
        """Draw a value."""
        value = self.low + (self.high - self.low) * generator.random()
        return _below(value, self.low, self.high)

    def args(self) -> JSON:
        """What it is made of, as it is stored."""
        return {"low": self.low, "high": self.high}


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


_KINDS: Mapping[str, Any] = {
    kind.KIND: kind for kind in (LogUniform, Uniform, Normal, Choice, Constant)
}


def check_distributions(given: object, what: str = "distributions") -> dict[str, Distribution]:
    """Distributions by hyperparameter, if they are that; a plain value stands for itself.

    Raises:
        ValueError: they are not.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{what} map names to distributions, and this is a {type(given).__name__}")
    for name, distribution in given.items():
        if not isinstance(name, str):
            raise ValueError(f"{what}: a hyperparameter's name is a text, not {name!r}")
        if not isinstance(distribution, tuple(_KINDS.values())):
            raise ValueError(
                f"{what}: {name!r} must be a LogUniform, Uniform, Normal, Choice or Constant, "
                f"not {distribution!r}"
            )
    return dict(given)


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
        distribution: Distribution = _KINDS[kind](**args)
    except TypeError:
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


def _below(value: float, low: float, high: float) -> float:
    """Rounding may reach the end that is not included."""
    return min(max(value, low), math.nextafter(high, low))
