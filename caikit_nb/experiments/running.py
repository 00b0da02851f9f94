"""Runs an experiment's jobs as background jobs. How, the session says."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from caikit_nb.experiments.experiment import Experiment

logger = logging.getLogger(__name__)


class ExperimentRun(Protocol):
    """What `Experiment.run` gives back.

    Attributes:
        experiment: The experiment.
        on_end: Called when it has ended, before those are told who `wait` for it.
    """

    experiment: Experiment
    on_end: list[Callable[[], object]]

    @property
    def is_running(self) -> bool:
        """Whether jobs run, or more may come."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has ended; False if the time was over first."""

    def cancel(self) -> None:
        """Take no more jobs, and cancel those that run."""


Run = Callable[
    ["Experiment", Callable[..., Any], int | None, int | None, Mapping[str, Any]], ExperimentRun
]

_run: Run | None = None
on_run: list[Callable[[ExperimentRun], object]] = []
"""Called with each run that begins; a notebook shows it."""


def set_run(run: Run) -> None:
    """Have `Experiment.run` do that; called by the session."""
    global _run
    _run = run


def run(
    experiment: Experiment,
    train: Callable[..., Any],
    workers: int | None,
    jobs: int | None,
    options: Mapping[str, Any],
) -> ExperimentRun:
    """See `Experiment.run`."""
    if _run is None:
        importlib.import_module("caikit_nb.session")  # which is above us, and calls `set_run`
    assert _run is not None  # noqa: S101 - it has
    begun = _run(experiment, train, workers, jobs, options)
    for listener in on_run:
        try:
            listener(begun)
        except Exception:
            logger.exception("a listener failed for %r", begun)
    return begun
