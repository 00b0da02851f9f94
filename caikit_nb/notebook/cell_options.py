"""What a line of ``%%caikit_job`` asks for, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from caikit_nb.jobs.job_future import JobFuture


@dataclass(frozen=True, slots=True)
class CellOptions:
    """What a line of ``%%caikit_job`` asks for.

    Attributes:
        name: The job's name; None for the next free one.
        out: The variables to bring back.
        names_in: The variables to ship; None to find them from the source.
        start_method: None for the setting's.
        params: Hyperparameters by name.
        experiment: The experiment that records the job; None for none.
        takes_next: Run that experiment's next job, with its hyperparameters.
        retain: Given as ``--retain``; `NOT_GIVEN` if it wasn't.
        timeout: None for none.
        memory_limit: Bytes of its own that the job may have; None for the setting's.
        after: The jobs it follows.
        retries: How many times it is run anew if it fails.
        seed: What its random numbers begin with; None for a seed derived from the kernel's.
        backend: The backend's name; None for the setting's.
        resources: What a cluster's worker must have free, amounts by name.
        on: The cluster's worker that must run it; None for any.
        save_path: Where the job saves; None for nowhere.
        save_with_id: Save in a directory of the job's own there.
        wait: Block until the job ends.
        quiet: Show no card.
    """

    name: str | None
    out: tuple[str, ...]
    names_in: tuple[str, ...] | None
    start_method: str | None
    params: Mapping[str, Any]
    experiment: str | None
    takes_next: bool
    retain: Any
    timeout: Any
    memory_limit: int | None
    after: tuple[JobFuture, ...]
    retries: int
    seed: int | None
    backend: str | None
    resources: Mapping[str, float]
    on: str | None
    save_path: str | None
    save_with_id: bool
    wait: bool
    quiet: bool


NOT_GIVEN: Any = object()
