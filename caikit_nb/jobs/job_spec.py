"""What a job was submitted as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a job was submitted as.

    Attributes:
        id: Unique in the session.
        name: What the user calls it.
        start_method: How it runs.
        reason: Why that way, in one line.
        source: Its cell's or expression's source; empty for a function.
        params: Its hyperparameters.
        outs: The variables it brings back.
        shipped: Bytes by name of what was pickled for it.
        retention_s: How long its result is kept once it has ended; None for ever.
        timeout_s: How long it may run; None as long as it likes.
        memory_limit_bytes: How much memory of its own it may have; None for no limit.
        backend: The backend's name, as a user types it.
        has_own_queue: Whether the backend has a queue of its own.
        retries: How many times it is run anew if it fails.
        after: The names of the jobs it follows.
        seed: What its random numbers begin with; None for what they had.
        save_path: Where it saves; None if it doesn't.
        experiment: The experiment that records it; empty if none does.
        id_directory: The directory of its own on the way there; None if there is none.
    """

    id: str
    name: str
    start_method: str
    reason: str
    source: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    outs: tuple[str, ...] = ()
    shipped: Mapping[str, int] = field(default_factory=dict)
    retention_s: float | None = None
    timeout_s: float | None = None
    memory_limit_bytes: int | None = None
    backend: str = "local"
    has_own_queue: bool = False
    retries: int = 0
    after: tuple[str, ...] = ()
    seed: int | None = None
    save_path: str | None = None
    id_directory: str | None = None
    experiment: str = ""

    def moved(self, start_method: str, shipped: Mapping[str, int]) -> Self:
        """The same after its fork gave no sign of life."""
        reason = "in a fresh interpreter, as the copy of the kernel gave no sign of life"
        return replace(self, start_method=start_method, reason=reason, shipped=shipped)
