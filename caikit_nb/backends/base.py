"""What a backend is: a place where jobs run."""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from caikit_nb.errors import BackendError
from caikit_nb.execution.call import Call
from caikit_nb.execution.child import Surroundings
from caikit_nb.execution.limits import Grace
from caikit_nb.execution.process_reader import ProcessListener as TaskListener

__all__ = ["BackendBase", "Running", "Task", "TaskListener"]


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
    """A task that a backend has taken. Every method returns at once.

    One that can also ``tell(message)`` hands the running task what a user does to its widgets.
    """

    def release(self) -> None:
        """Its turn has come: run it. Called once at most; may come after `end`."""

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in it; it may still finish."""

    def end(self, *, at_once: bool = False) -> None:
        """End it and all that it started, at once or with the task's grace.

        The listener hears when it is gone.
        """

    @property
    def pid(self) -> int | None:
        """Its process, where it has one on this machine."""


class BackendBase(ABC):
    """A place where jobs run (contracts B1 to B6).

    A backend defines `backend_type`, `register_config`, `start` and `stop`, and `submit` to run
    jobs. `caikit_nb.testing.backend_contract` has the tests that it must pass.

    Args:
        config: The backend's own settings; None for none.

    Attributes:
        config: The settings; empty if there are none.
        start_methods: Which of ``fork``, ``forkserver``, ``spawn`` and ``thread`` its tasks may
            name, the preferred one first. It decides what a task finds: with ``fork`` and
            ``thread`` the namespace itself, else the values that it needs, to be shipped.
        summary: Where and how it runs jobs, in a few words for their cards.
        lacks: What it can't do, for the contract's tests: see `BackendContract`.
        option_names: Which options of an engine its tasks may have: ``resources``, ``on``.
        has_queue: Whether it has a queue of its own: then it gets all jobs at once, and one of
            them runs from its task's first message ``hello`` on.
    """

    start_methods: ClassVar[tuple[str, ...]] = ("spawn",)
    summary: str = ""
    lacks: ClassVar[frozenset[str]] = frozenset()
    option_names: ClassVar[frozenset[str]] = frozenset()
    has_queue: ClassVar[bool] = False

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        # A plain dict stays the caller's own. What is more than that is kept, as is what it can do.
        is_plain = config is None or type(config) is dict
        self.config: Any = dict(config or {}) if is_plain else config
        self._started = False
        self._start_lock = threading.RLock()

    @property
    @abstractmethod
    def backend_type(self) -> str:
        """Its name, upper case; a plain attribute of the class (contracts B1, B8)."""

    @abstractmethod
    def register_config(self, config: Mapping[str, Any]) -> None:
        """Merge more settings in; may be called again and again (contracts B6)."""

    @abstractmethod
    def start(self) -> None:
        """Get ready for jobs, and set ``_started`` (contracts B3)."""

    @abstractmethod
    def stop(self) -> None:
        """Give back what `start` took, and unset ``_started`` (contracts B3)."""

    @property
    def is_started(self) -> bool:
        """Whether it was started and not stopped (contracts B2)."""
        return self._started

    @contextlib.contextmanager
    def start_lock(self) -> Iterator[None]:
        """Inside, no other thread starts or stops it; re-entrant (contracts B4)."""
        with self._start_lock:
            yield

    def ensure_started(self) -> bool:
        """Start it unless it is started, once however many threads ask.

        Returns:
            Whether this call started it.
        """
        with self.start_lock():
            if self.is_started:
                return False
            self.start()
            return True

    def handle_runtime_context(self, model_id: str, runtime_context: Any) -> None:  # noqa: B027
        """Called before a model is found or loaded; does nothing (contracts B5)."""

    def submit(self, task: Task, listener: TaskListener, like: Running | None = None) -> Running:
        """Take a task. It runs once it is released.

        Args:
            task: What to run.
            listener: Hears of it in the watcher's thread (``watcher.call_soon``), of its end
                exactly once, and of nothing after that.
            like: The same task as submitted just before and not yet released: what was shipped
                for it may serve this one, too.

        Raises:
            UnpicklableError: an input can't be shipped.
            BackendError: this backend takes no jobs.
        """
        raise BackendError(
            f"backend {self.backend_type!r} takes no jobs: {type(self).__name__} must define "
            "submit(task, listener, like=None)"
        )
