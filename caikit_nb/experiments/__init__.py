"""Experiments: hyperparameters in, results out, and no job is run twice.

Its parts need ``pip install "caikit_nb[experiments]"`` and are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from caikit_nb.experiments import distributions, errors, pbt
    from caikit_nb.experiments.database import ExperimentDB
    from caikit_nb.experiments.experiment import Experiment
    from caikit_nb.experiments.grid_search import GridSearch
    from caikit_nb.experiments.job import Job
    from caikit_nb.experiments.optuna_search import OptunaSearch
    from caikit_nb.experiments.pbt import PopulationBasedTraining
    from caikit_nb.experiments.searches import ManualSearch, RandomSearch

__all__ = [
    "Experiment",
    "ExperimentDB",
    "GridSearch",
    "Job",
    "ManualSearch",
    "OptunaSearch",
    "PopulationBasedTraining",
    "RandomSearch",
    "distributions",
    "errors",
    "pbt",
]

_HOMES = {
    "Experiment": "experiment",
    "ExperimentDB": "database",
    "GridSearch": "grid_search",
    "Job": "job",
    "ManualSearch": "searches",
    "OptunaSearch": "optuna_search",
    "PopulationBasedTraining": "pbt",
    "RandomSearch": "searches",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_HOMES.get(name, name)}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("caikit_nb"):
            raise
        raise ImportError(
            f'experiments need {error.name}: pip install "caikit_nb[experiments]"'
        ) from error
    return getattr(module, name) if name in _HOMES else module


def __dir__() -> list[str]:
    return __all__
