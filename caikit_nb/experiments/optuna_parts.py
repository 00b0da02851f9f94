"""Optuna itself, and its samplers and pruners by name."""

from __future__ import annotations

import contextlib
import inspect
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
    plain = {_SHORT_NAMES.get(name, name): plain_values(options, what)}
    make_chosen(what, plain, 0)
    return plain


def make_chosen(what: str, chosen: JSON, proposed: int) -> Any:
    """Optuna's object; None if none is chosen.

    Raises:
        ValueError: there is no such class, or it doesn't take these options.
    """
    if chosen is None:
        return None
    optuna = load_optuna()
    room = optuna.samplers if what == "sampler" else optuna.pruners
    base = optuna.samplers.BaseSampler if what == "sampler" else optuna.pruners.BasePruner
    ((name, options),) = chosen.items()
    kind = getattr(room, name, None)
    if not (inspect.isclass(kind) and issubclass(kind, base)):
        known = ", ".join(n for n in sorted(room.__all__) if not n.startswith("Base"))
        raise ValueError(f"{what} must be one of {known}, not {name!r}")
    if isinstance(options.get("seed"), int):
        # It is made anew for each job, and must not draw the same numbers each time.
        options = options | {"seed": (options["seed"] + proposed) % 2**32}
    try:
        return kind(**options)
    except TypeError as error:
        raise ValueError(f"{what} {name}: {error}") from None


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
