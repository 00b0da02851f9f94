"""A job: what was submitted, where it is, and all that it has reported.

The backend tells a job what happens, in the watcher's thread, which alone moves its state; only
`cancel` does so from outside. Everybody else looks.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from caikit_nb.backends.base import Running
from caikit_nb.errors import JobDiedError, JobOutOfMemoryError, JobTimeoutError
from caikit_nb.execution.call import RESULT
from caikit_nb.execution.exception_pickler import PackedError, unpack
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Died, Outcome, PlainValues, Raised, Usage, Values
from caikit_nb.execution.watcher import Timer, watcher
from caikit_nb.jobs.displays import Displays
from caikit_nb.jobs.events import Events
from caikit_nb.jobs.job_base import JobInfo
from caikit_nb.jobs.last_words import headline, last_words
from caikit_nb.jobs.logs import LogSpool
from caikit_nb.jobs.progress import Bars, Metrics
from caikit_nb.jobs.states import JobStatus, StateMachine

logger = logging.getLogger(__name__)

_TAIL_LINES = 200


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


class Job:
    """One job. Hashable by identity."""

    def __init__(self, spec: JobSpec, directory: Path, events: Events) -> None:
        self.spec, self.directory = spec, directory
        self._events = events
        self._states = StateMachine()
        self.log = LogSpool(directory / "output.log")
        self.bars, self.metrics, self.displays = Bars(), Metrics(), Displays()
        self.notes: list[str] = []
        self.pid: int | None = None
        self.usage = Usage()
        self.exit_code: int | None = None
        self.reason = ""
        self.submitted_at, self._submitted = _utc_now(), time.monotonic()
        self.started_at: datetime.datetime | None = None
        self.completed_at: datetime.datetime | None = None
        self._started = self._ended = 0.0
        self.values: Values | PlainValues | None = None
        self.packed_error: PackedError | BaseException | None = None
        self.ended = threading.Event()
        self.running: Running | None = None
        self.expired: str | None = None
        self._timed_out = False
        self._timeout: Timer | None = None
        # Called in the watcher's thread (or the canceller's) as the job moves: be quick.
        self.on_start: list[Callable[[Job], object]] = []
        self.on_decided: list[Callable[[Job], object]] = []
        self.on_expired: list[Callable[[Job], object]] = []
        self.on_gone: list[Callable[[Job], object]] = []

    def __repr__(self) -> str:
        return f"<Job {self.spec.name}: {self.status.name}>"

    @property
    def status(self) -> JobStatus:
        """The state."""
        return self._states.status

    @property
    def elapsed_s(self) -> float:
        """Seconds it has run so far, or ran in all; 0 before it started."""
        if not self._started:
            return 0.0
        return (self._ended or time.monotonic()) - self._started

    @property
    def has_error(self) -> bool:
        """Whether it ended with an error that is still there."""
        return self.packed_error is not None

    def error(self) -> BaseException | None:
        """Its error, rebuilt in the caller's thread (the user's classes are loaded here)."""
        if isinstance(self.packed_error, PackedError):
            self.packed_error = unpack(self.packed_error)
        return self.packed_error

    def info(self) -> JobInfo:
        """The job at this moment; never blocks on it."""
        status, error = self.status, self.error()
        return JobInfo(
            status=status,
            errors=None if error is None else [error],
            submission_time=self.submitted_at,
            completion_time=self.completed_at,
            start_time=self.started_at,
            exit_code=self.exit_code,
            peak_memory_bytes=self.usage.peak_memory_bytes,
            cpu_time_s=self.usage.cpu_time_s,
            reason=self.reason,
        )

    def changed(self) -> None:
        """Tell everybody who shows it."""
        self._events.publish(self)

    def start(self) -> bool:
        """Its turn has come. False if it was cancelled meanwhile."""
        if self.running is None or not self._states.move(JobStatus.RUNNING):
            return False
        self.started_at, self._started = _utc_now(), time.monotonic()
        if self.spec.timeout_s is not None:
            self._timeout = watcher.call_later(self.spec.timeout_s, self._time_out)
        _call_all(self.on_start, self)
        self.running.release()
        self.changed()
        return True

    def cancel(self, reason: str = "cancelled", *, at_once: bool = False) -> bool:
        """End it; the state reads CANCELED at once. False if it had ended.

        Args:
            reason: Why, for people.
            at_once: Without the grace that lets it clean up.
        """
        if not self._states.move(JobStatus.CANCELED):
            return False
        self.reason = reason
        if self.running is not None:
            self.running.end(at_once=at_once)
        _call_all(self.on_decided, self)
        self.changed()
        return True

    def interrupt(self) -> bool:
        """Raise KeyboardInterrupt in it. False unless it runs."""
        if self.status is not JobStatus.RUNNING or self.running is None:
            return False
        self.running.interrupt()
        return True

    def on_output(self, stream: str, data: bytes) -> None:
        """It printed something."""
        self.log.append(data)
        self.changed()

    def on_message(self, message: Message) -> None:
        """It told something."""
        kind = message.get("kind")
        if kind == "hello":
            self.pid = message["pid"]
        elif kind == "bars":
            self.bars.take(message)
        elif kind == "metrics":
            self.metrics.take(message)
        elif kind in ("display", "clear_output"):
            self.displays.take(message, at_byte=self.log.size_bytes)
        elif kind == "note":
            self.notes.append(str(message["text"]))
        elif kind == "moved":
            self._move(message["method"], message["shipped"])
        self.changed()

    def _move(self, method: str, shipped: Mapping[str, int]) -> None:
        """Its forked process hung at its start, and it begins anew in a fresh interpreter."""
        reason = "in a fresh interpreter, as the copy of the kernel gave no sign of life"
        self.spec = replace(self.spec, start_method=method, reason=reason, shipped=shipped)
        self.notes.append("it has the variables as they were when it was started anew")

    def on_end(self, outcome: Outcome) -> None:
        """It is gone, and everything that it started."""
        self._ended, self.completed_at = time.monotonic(), _utc_now()
        self.usage = outcome.usage
        if self._timeout is not None:
            self._timeout.cancel()
        self.log.close()
        if outcome.usage.leftover_processes:
            count = outcome.usage.leftover_processes
            self.notes.append(f"{count} process{'es' * (count > 1)} it had started ended with it")
        decided = self._decide(outcome)
        self.running = None
        if decided:
            _call_all(self.on_decided, self)
        self.ended.set()
        _call_all(self.on_gone, self)
        self.changed()

    def _decide(self, outcome: Outcome) -> bool:
        """Move to the state that the outcome means; False if it was decided before."""
        if self._timed_out:  # also if it caught the interrupt and returned
            return self._fail(JobTimeoutError(self.spec.timeout_s or 0.0))
        if isinstance(outcome, Died):
            self.exit_code = outcome.exit_code
            tail = last_words(self.log.text(tail=_TAIL_LINES))
            kind = JobOutOfMemoryError if outcome.memory else JobDiedError
            return self._fail(kind(outcome.explanation, outcome.exit_code, tail))
        if isinstance(outcome, Raised):
            return self._fail(outcome.error)
        self.exit_code = 0
        # The values must be there before anyone can see COMPLETED.
        self.values = outcome.values
        decided = self._states.move(JobStatus.COMPLETED)
        if not decided:
            self.values = None
        return decided

    def _fail(self, error: PackedError | BaseException) -> bool:
        if self.status is JobStatus.CANCELED:
            return False
        self.packed_error = error
        self.reason = headline(error)
        decided = self._states.move(JobStatus.ERRORED)
        if not decided:
            self.packed_error, self.reason = None, "cancelled"
        return decided

    def _time_out(self) -> None:
        if self.status is JobStatus.RUNNING and self.running is not None:
            self._timed_out = True
            self.running.end()

    def value(self, name: str = RESULT) -> Any:
        """A value it gave back; KeyError if there is none of that name."""
        if self.values is None:
            raise KeyError(name)
        return self.values.load(name)

    def value_names(self) -> list[str]:
        """The variables it gave back."""
        return [] if self.values is None else [n for n in self.values.entries if n != RESULT]

    def expire(self, why: str) -> None:
        """Drop everything that it holds but its record."""
        self.expired = why
        _call_all(self.on_expired, self)
        self.values = None
        self.displays.clear()
        self.log.drop()
        self.changed()


def _call_all(callbacks: list[Callable[[Job], object]], job: Job) -> None:
    for callback in callbacks:
        try:
            callback(job)
        except Exception:
            logger.exception("a callback failed for %r", job)


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
