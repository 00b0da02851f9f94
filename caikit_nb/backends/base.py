"""What a backend is: a place where jobs run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from caikit_nb.execution.call import Call
from caikit_nb.execution.child import Surroundings
from caikit_nb.execution.limits import Grace
from caikit_nb.execution.process_reader import ProcessListener as TaskListener

__all__ = ["Running", "Task", "TaskListener"]


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt of a job, as a backend gets it.

    Attributes:
        name: The job's name, for process lists.
        call: What to run.
        start_method: ``fork``, ``forkserver``, ``spawn`` or ``thread``.
        surroundings: What the task takes over from the place that submitted it.
        grace: How it is ended when it is cancelled.
        options: The backend's own options.
        fresh: Makes the same task for a fresh interpreter, should a fork of it fail; None if
            that can't be.
    """

    name: str
    call: Call
    start_method: str
    surroundings: Surroundings = field(default_factory=Surroundings)
    grace: Grace = field(default_factory=Grace)
    options: Mapping[str, Any] = field(default_factory=dict)
    fresh: Callable[[], Task] | None = None


class Running(Protocol):
    """A task that a backend has taken. Every method returns at once."""

    def release(self) -> None:
        """Its turn has come: run it."""

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in it; it may still finish."""

    def end(self, *, at_once: bool = False) -> None:
        """End it and all that it started, at once or with the task's grace.

        The listener hears when it is gone.
        """

    @property
    def pid(self) -> int | None:
        """Its process, where it has one on this machine."""
