"""The searches by the names that they are stored under."""

from __future__ import annotations

from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.grid_search import GridSearch
from caikit_nb.experiments.optuna_search import OptunaSearch
from caikit_nb.experiments.pbt import PopulationBasedTraining
from caikit_nb.experiments.searches import ManualSearch, RandomSearch

_SEARCHES: dict[str, type[Experiment]] = {
    kind.SEARCH: kind
    for kind in (ManualSearch, RandomSearch, GridSearch, PopulationBasedTraining, OptunaSearch)
}


def search_class(name: str) -> type[Experiment]:
    """The class of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in _SEARCHES:
        raise ValueError(f"a search is one of {', '.join(_SEARCHES)}, not {name!r}")
    return _SEARCHES[name]
