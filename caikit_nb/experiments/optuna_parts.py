"""Optuna itself, and its samplers and pruners by name."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import random
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from caikit_nb.experiments.encoding import JSON, plain_values

Chosen = str | Mapping[str, Mapping[str, JSON]] | None
_SHORT_NAMES = {
    "tpe": "TPESampler",
    "cmaes": "CmaEsSampler",
    "random": "RandomSampler",
    "gp": "GPSampler",
    "qmc": "QMCSampler",
    "median": "MedianPruner",
    "percentile": "PercentilePruner",
    "halving": "SuccessiveHalvingPruner",
    "hyperband": "HyperbandPruner",
    "threshold": "ThresholdPruner",
}
# Optuna imports them when it first needs them: after ten jobs, say.
_PACKAGES = {
    "CmaEsSampler": ("cmaes",),
    "GPSampler": ("scipy", "torch"),
    "QMCSampler": ("scipy",),
    "WilcoxonPruner": ("scipy",),
}
_CONSTRAINTS = "constraints"
# Their seed makes one order of points, through which each job goes one further.
_ONE_SEED_FOR_ALL = ("GridSampler", "QMCSampler")


def choose(what: str, chosen: Chosen) -> JSON:
    """A sampler or pruner as it is stored: its class's name and options.

    Raises:
        ValueError: Optuna has none of that name, or it doesn't take these options.
    """
    if chosen is None:
        return None
    given = {chosen: {}} if isinstance(chosen, str) else chosen
    if len(given) != 1:
        raise ValueError(f"{what} must be a name, or a name with options, not {chosen!r}")
    ((name, options),) = given.items()
    name, plain = _SHORT_NAMES.get(name, name), plain_values(options, what)
    try:
        inspect.signature(_class(what, name)).bind(**plain)
    except TypeError as error:
        raise _refusal(what, name, error) from None
    return _with_seed({name: plain})


def _with_seed(chosen: JSON) -> JSON:
    """A scrambled sequence needs a seed, or each job would be of another one."""
    ((name, options),) = chosen.items()
    if name == "QMCSampler" and options.get("scramble") and options.get("seed") is None:
        return {name: options | {"seed": random.SystemRandom().randrange(2**32)}}
    return chosen


def check_packages(what: str, chosen: JSON) -> None:
    """See that what a sampler or pruner needs is installed.

    Raises:
        ValueError: it isn't; says what is missing.
    """
    for name in chosen or ():
        missing = [p for p in _PACKAGES.get(name, ()) if importlib.util.find_spec(p) is None]
        if missing:
            needed = " ".join(missing)
            raise ValueError(f"{what} {name} needs {' and '.join(missing)}: pip install {needed}")


def make_sampler(chosen: JSON, proposed: int, *, is_constrained: bool) -> Any:
    """Optuna's sampler.

    Args:
        chosen: As `choose` gives it.
        proposed: How many jobs it has made.
        is_constrained: Whether its trials have constraints.

    Raises:
        ValueError: there is no such class, or it doesn't take these options.
    """
    ((name, options),) = chosen.items()
    if isinstance(options.get("seed"), int) and name not in _ONE_SEED_FOR_ALL:
        options = options | {"seed": _seed(options["seed"], proposed)}
    if is_constrained and not _has_named_constraints():
        # Before Optuna 5 a sampler looks at constraints only if it is given this.
        takes_it = "constraints_func" in inspect.signature(_class("sampler", name)).parameters
        options = options | ({"constraints_func": _kept_constraints} if takes_it else {})
    return _make("sampler", {name: options})


def _seed(seed: int, proposed: int) -> int:
    """A sampler is made anew for each job, and must not draw the same numbers each time."""
    return random.Random(f"{seed} {proposed}").randrange(2**32) if proposed else seed


def make_pruner(chosen: JSON) -> Any:
    """Optuna's pruner; one that never prunes if none is chosen.

    Raises:
        ValueError: there is no such class, or it doesn't take these options.
    """
    return load_optuna().pruners.NopPruner() if chosen is None else _make("pruner", chosen)


def constraint_attributes(beyond: Mapping[str, float]) -> dict[str, Any]:
    """A trial's constraints as its system attributes; above 0 is too much."""
    if _has_named_constraints():
        return {f"constraints:{name}": value for name, value in beyond.items()}
    return {_CONSTRAINTS: list(beyond.values())} if beyond else {}


def _has_named_constraints() -> bool:
    return hasattr(load_optuna().trial.FrozenTrial, "constraints")


def _kept_constraints(trial: Any) -> list[float]:
    return list(trial.system_attrs[_CONSTRAINTS])


def _make(what: str, chosen: JSON) -> Any:
    ((name, options),) = chosen.items()
    try:
        with warnings.catch_warnings():
            # Older versions call it experimental that constraints are asked for.
            warnings.filterwarnings("ignore", message=".*constraints_func.*")
            return _class(what, name)(**options)
    except (TypeError, ValueError) as error:
        raise _refusal(what, name, error) from None


def _class(what: str, name: str) -> Any:
    optuna = load_optuna()
    room = optuna.samplers if what == "sampler" else optuna.pruners
    base = optuna.samplers.BaseSampler if what == "sampler" else optuna.pruners.BasePruner
    kind = getattr(room, name, None)
    if not (inspect.isclass(kind) and issubclass(kind, base)):
        known = ", ".join(n for n in sorted(room.__all__) if not n.startswith("Base"))
        raise ValueError(f"{what} must be one of {known}, not {name!r}")
    return kind


def _refusal(what: str, name: str, error: Exception) -> ValueError:
    return ValueError(f"{what} {name}: {' '.join(str(error).split())}")


@contextlib.contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Without a line for each study that is made and each value that is left to chance."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def load_optuna() -> Any:
    """Optuna.

    Raises:
        ImportError: it isn't installed; names the extra.
    """
    try:
        import optuna
    except ImportError:
        raise ImportError(
            'OptunaSearch needs Optuna: pip install "caikit_nb[experiments]"'
        ) from None
    return optuna
