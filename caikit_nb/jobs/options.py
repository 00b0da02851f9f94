"""The settings of an executor, and the options of one job."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeGuard

if TYPE_CHECKING:
    from caikit_nb.jobs.job_future import JobFuture

Duration = str | int | float | timedelta | None
SESSION_DEFAULT: Any = object()  # what the session's settings say


class Trial(Protocol):
    """A job's row in an experiment, as its own code sees it. It crosses to the job's process."""

    @property
    def results(self) -> Mapping[str, Any]:
        """What it had before it began: its parent's results in population based training."""

    def should_prune(self, value: float, step: int) -> bool:
        """Report how it stands at a step; whether it is not worth its time."""

    def for_replay(self) -> Self:
        """What a replay of the job has in its place: the same results, and no row."""


class Policy(Protocol):
    """The settings that an executor asks for, each time anew."""

    max_workers: int
    start_method: str
    backend: str
    backend_config: Mapping[str, Mapping[str, Any]]
    retention_duration: Any
    cancel_grace_s: float
    exit_grace: Any
    allow_unsafe_fork: bool
    memory_limit: Any
    min_free_memory: Any
    max_results: int | None
    max_result_bytes: Any
    max_replay_bytes: Any
    keep_made_bytes: Any


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(slots=True)
class DefaultPolicy:
    """The settings as shipped; documented with ``%config CaikitJobs``."""

    max_workers: int = field(default_factory=usable_cores)
    start_method: str = "auto"
    backend: str = "local"
    backend_config: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    retention_duration: Any = "1d"
    cancel_grace_s: float = 2.0
    exit_grace: Any = "10s"
    allow_unsafe_fork: bool = False
    memory_limit: Any = None
    min_free_memory: Any = None
    max_results: int | None = None
    max_result_bytes: Any = None
    max_replay_bytes: Any = "10MB"
    keep_made_bytes: Any = "100MB"


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a call becomes a job.

    Attributes:
        name: The job's name; ``job_1``, … if None.
        start_method: ``auto``, ``fork``, ``forkserver``, ``spawn`` or ``thread``; the setting's if
            None.
        retain: How long the result is kept after the job's end (`parse_duration`).
        timeout: How long it may run; None without end.
        params: Hyperparameters, kept with the job.
        memory_limit: How much memory of its own it may have, as ``4GB``, ``512MiB`` or bytes; the
            setting's if None. A job in a thread has none of its own.
        retries: How many times it is run anew if it fails.
        after: Jobs that must have completed before it starts; it is cancelled if one of them
            ends in another way.
        seed: What ``random``, NumPy's global generator and torch begin with in the job, from 0
            to 2**32 - 1; derived from the state of these generators here if None.
        backend: Where it runs: ``local``, ``inline`` or another backend's name; the setting's if
            None.
        resources: What a worker of a cluster must have free, amounts by name: ``{"GPU": 1}``.
        on: The worker of a cluster that must run it: its name, address or host.
        save_path: Where the job saves, for itself `CurrentJob.save_path`; None for nowhere.
        save_with_id: Save in a directory of the job's own below `save_path`, named by its id. It
            is deleted when the job's retention ends; nothing else that is saved is.
        trial: Its row in an experiment; None if it has none.
        experiment: The experiment's name, for the card.
    """

    name: str | None = None
    start_method: str | None = None
    retain: Duration = SESSION_DEFAULT
    timeout: Duration = None
    params: Mapping[str, Any] = field(default_factory=dict)
    memory_limit: str | int | None = None
    retries: int = 0
    after: Sequence[JobFuture] = ()
    seed: int | None = None
    backend: str | None = None
    resources: Mapping[str, float] = field(default_factory=dict)
    on: str | None = None
    save_path: str | os.PathLike[str] | None = None
    save_with_id: bool = False
    trial: Trial | None = None
    experiment: str = ""


def check_retries(retries: object) -> int:
    """The number of retries, if it is one.

    Raises:
        ValueError: it isn't.
    """
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= 100:
        raise ValueError(f"retries must be a whole number from 0 to 100, not {retries!r}")
    return retries


def check_resources(resources: object) -> Mapping[str, float]:
    """The amounts by name, if they are that.

    Raises:
        ValueError: they aren't.
    """
    fine = isinstance(resources, Mapping) and all(
        isinstance(name, str) and isinstance(amount, int | float) and amount > 0
        for name, amount in resources.items()
    )
    if not fine:
        raise ValueError(f"resources must be amounts by name, as {{'GPU': 1}}, not {resources!r}")
    return resources  # type: ignore[return-value]


def check_after(after: object) -> None:
    """See that only jobs are to be followed.

    Raises:
        TypeError: something else is.
    """
    from caikit_nb.jobs.job_future import JobFuture

    wrong = [job for job in after if not isinstance(job, JobFuture)] if _is_list(after) else [after]
    if wrong:
        raise TypeError(f"after takes jobs, as submit returns them, not {wrong[0]!r}")


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str)
