"""What is typed at a shell as experiments and values, and what is printed of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from caikit_nb.experiments.encoding import from_json
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.job import Job
from caikit_nb.experiments.search_types import search_class

SEARCHES = {
    "manual": "Manual",
    "random": "RandomSearch",
    "grid": "Grid",
    "pbt": "PBT",
    "optuna": "Optuna",
}


def make_experiment(name: str, search: str, params: Sequence[str], status: str) -> Experiment:
    """The experiment that a command line asks for.

    Raises:
        ValueError: it can't be made.
    """
    if search not in SEARCHES:
        raise ValueError(f"a search is one of {', '.join(SEARCHES)}, not {search!r}")
    kind = search_class(SEARCHES[search])
    if search == "manual":
        if params:
            raise ValueError(f"a manual search has no parameters, not {params[0]!r}")
        return kind.from_params(name, status, None)
    if search in ("pbt", "optuna"):
        if len(params) != 1:
            raise ValueError(f"{search} takes one JSON object, as show prints it")
        given = _parsed(params[0], "the parameters")
        try:
            experiment = kind.from_params(name, status, given)
            experiment.check_here()
            return experiment
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{search} misses or can't read {error}") from None
    return kind.from_params(name, status, parse_pairs(params, search))


def parse_pairs(pairs: Sequence[str], where: str) -> dict[str, Any]:
    """Values by name, of texts such as ``lr=0.1``.

    Raises:
        ValueError: one isn't that; says which.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"{where}: {pair!r} is not NAME=JSON")
        if name in found:
            raise ValueError(f"{where}: {name!r} is given twice")
        found[name] = _parsed(text, f"{where} {name}")
    return found


def _parsed(text: str, what: str) -> Any:
    try:
        return from_json(text)
    except (json.JSONDecodeError, RecursionError):
        raise ValueError(
            f"{what}: {text!r} is not JSON; a text needs its quotes: '\"a\"'"
        ) from None


def describe_experiment(experiment: Experiment) -> dict[str, Any]:
    """What there is to say of an experiment."""
    return {
        "name": experiment.name,
        "search": experiment.SEARCH,
        "status": experiment.status,
        "params": experiment.params(),
        "jobs": dict(experiment.counts()),
    }


def describe_job(job: Job) -> dict[str, Any]:
    """What there is to say of a job."""
    dates = {"created": job.created_at, "started": job.started_at, "ended": job.ended_at}
    return {
        "id": job.job_id,
        "status": job.status,
        "hyperparameters": job.hyperparameters,
        "results": job.results,
        "reason": job.reason,
        "worker": job.worker,
        "deliveries": job.deliveries,
        **{name: None if date is None else date.isoformat() for name, date in dates.items()},
        "source": job.source,
    }
