"""Experiments and jobs as Schedy's HTTP interface has them (contracts S3, S15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caikit_nb.experiments.distributions import Distribution, Integer, Uniform, When
from caikit_nb.experiments.encoding import JSON, from_json
from caikit_nb.experiments.experiment import Experiment
from caikit_nb.experiments.job import Job
from caikit_nb.experiments.pbt import PopulationBasedTraining
from caikit_nb.experiments.search_types import search_class
from caikit_nb.experiments.searches import ManualSearch, RandomSearch
from caikit_nb.experiments.statuses import QUEUED, RUNNING

# Schedy's client knows no others, and can't list any experiment where it meets one. A worker
# needs no more than "ask for the next job", so to clients the others are manual searches.
_KNOWN = ("Manual", "RandomSearch", "PBT")


def experiment_to_wire(experiment: Experiment) -> JSON:
    """An experiment for a client."""
    is_known = _is_known(experiment)
    scheduler = {experiment.SEARCH: experiment.params()} if is_known else {"Manual": None}
    return {"name": experiment.name, "status": experiment.status, "scheduler": scheduler}


def experiment_from_wire(name: str, body: bytes) -> Experiment:
    """The experiment that a client sends.

    Raises:
        ValueError: it isn't one.
    """
    sent = parse_object(body)
    scheduler = sent.get("scheduler")
    if sent.get("name", name) != name:
        raise ValueError(f"the experiment at this address is {name!r}, not {sent['name']!r}")
    if not isinstance(scheduler, Mapping) or len(scheduler) != 1:
        raise ValueError("scheduler must be an object with one key, the search's name")
    ((search, params),) = scheduler.items()
    try:
        return search_class(search).from_params(name, sent.get("status", RUNNING), params)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the parameters of {search} miss or misuse {error}") from None


def hides_search(stored: Experiment, sent: Experiment) -> bool:
    """Whether a client was told that a search is manual, and sends that back."""
    return not _is_known(stored) and isinstance(sent, ManualSearch)


def keep_unsent(stored: Experiment, sent: Experiment) -> None:
    """Keep what a client can't send: it reads maxGenerations under another name, and loses it."""
    if isinstance(stored, PopulationBasedTraining) and isinstance(sent, PopulationBasedTraining):
        sent.max_generations = sent.max_generations or stored.max_generations


def _is_known(experiment: Experiment) -> bool:
    """Whether Schedy's client can read its search."""
    distributions: Mapping[str, Distribution] = {}
    if isinstance(experiment, RandomSearch):
        distributions = experiment.distributions
    elif isinstance(experiment, PopulationBasedTraining):
        distributions = experiment.initial_distributions
    return experiment.SEARCH in _KNOWN and not any(
        isinstance(each, Integer | When) or (isinstance(each, Uniform) and each.step is not None)
        for each in distributions.values()
    )


def job_to_wire(job: Job) -> JSON:
    """A job for a client."""
    return {
        "id": job.job_id,
        "experiment": job.experiment.name,
        "status": job.status,
        "hyperparameters": job.hyperparameters,
        "results": job.results,
    }


def job_from_wire(body: bytes) -> dict[str, Any]:
    """Status, hyperparameters and results that a client sends.

    Raises:
        ValueError: they aren't that.
    """
    sent = parse_object(body)
    fields = {
        "status": sent.get("status", QUEUED),
        "hyperparameters": sent.get("hyperparameters") or {},
        "results": sent.get("results") or {},
    }
    for name in ("hyperparameters", "results"):
        if not isinstance(fields[name], dict):
            raise ValueError(f"{name} must be an object")
    return fields


def parse_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a request's body.

    Raises:
        ValueError: it isn't one.
    """
    try:
        sent = from_json(body.decode())
    except (ValueError, RecursionError):
        raise ValueError("the request's body is not JSON") from None
    if not isinstance(sent, Mapping):
        raise ValueError("the request's body is not a JSON object")
    return sent
