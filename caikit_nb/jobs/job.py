"""A job: what was submitted, where it is, and all that it has reported.

The backend tells a job what happens, in the watcher's thread, which alone moves its state; only
`cancel` does so from outside. Everybody else looks.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caikit_nb.backends.base import Running
from caikit_nb.execution.call import RESULT
from caikit_nb.execution.exception_pickler import PackedError, unpack
from caikit_nb.execution.latch import Latch
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Died, Outcome, PlainValues, Returned, Values
from caikit_nb.jobs.attempt import Attempt
from caikit_nb.jobs.callbacks import NOBODY, call_all
from caikit_nb.jobs.events import Events
from caikit_nb.jobs.job_spec import JobSpec
from caikit_nb.jobs.kept_values import INPUTS, MADE, NOTHING, KeptValues
from caikit_nb.jobs.logs import LogSpool
from caikit_nb.jobs.states import JobStatus, StateMachine
from caikit_nb.jobs.time_limit import TimeLimit
from caikit_nb.jobs.times import Times
from caikit_nb.jobs.verdict import Failure, failure_of, is_pruning, is_wanted, reason_of


@dataclass(frozen=True, slots=True)
class Expiry:
    """How a job's result went, in words that end a sentence.

    Attributes:
        why: After "the result is gone:".
        how: After "result dropped".
        takes_output: Cards lose the output that they have shown, too.
    """

    why: str
    how: str
    takes_output: bool = False


class Job:
    """One job. Hashable by identity."""

    # Not more than 29 attributes: above that CPython no longer shares the instances' keys, and
    # each job's record weighs a kilobyte more.
    def __init__(self, spec: JobSpec, directory: Path) -> None:
        self.spec = spec
        self._events: Events | None = None
        self._directory = os.fspath(directory)  # a Path is large
        self._states = StateMachine()
        self.inputs = KeptValues(INPUTS, self._directory)
        self._made: KeptValues | None = None
        self.attempts = [self._attempt(number) for number in range(1, spec.retries + 2)]
        self.attempt = self.attempts[0]
        self._alive = 0  # attempts that were made and are not gone
        self.notes: list[str] = []
        self.reason, self.times = "", Times()
        self.values: Values | PlainValues | None = None
        self.packed_error: Failure | None = None
        self._rebuilt: dict[str, BaseException] = {}
        self.ended = Latch()
        self.expired: Expiry | None = None
        self.ended_with_session = False
        self.replay: Callable[[], Any] | None = None
        self.again: Callable[[], Any] | None = None
        self.pinned = False
        self._limit = TimeLimit(spec.timeout_s, self._time_out)
        # Called in the watcher's thread (or the canceller's) as the job moves: be quick.
        self.on_message: Callable[[Job, Message], object] = _ignore
        self.on_start: list[Callable[[Job], object]] = []
        # An attempt's process is gone, and nobody knows that the job has ended.
        self.on_attempt_end: list[Callable[[Job], object]] = []
        self.on_decided: list[Callable[[Job], object]] = []
        self.on_expired: list[Callable[[Job], object]] = []
        self.on_gone: list[Callable[[Job], object]] = []
        self.on_retention: list[Callable[[Job], object]] = []

    def __repr__(self) -> str:
        return f"<Job {self.spec.name}: {self.status.name}>"

    @property
    def directory(self) -> Path:
        """Where its files lie; there is none before the first (`paths`)."""
        return Path(self._directory)

    def _attempt(self, number: int) -> Attempt:
        return Attempt(
            number,
            self.directory,
            on_change=self.changed,
            on_message=self._on_message,
            on_end=self._on_end,
        )

    def prepare(self, make: Callable[[Attempt], Running]) -> None:
        """Make its attempts, so that each has what there is now; raises what `make` raises."""
        try:
            for attempt in self.attempts:
                attempt.running = make(attempt)
                self._alive += 1
        except BaseException:
            self._states.move(JobStatus.CANCELED)
            self._end_attempts(at_once=True)
            raise

    def _end_attempts(self, *, at_once: bool) -> None:
        for attempt in self.attempts:
            attempt.end(at_once=at_once or attempt is not self.attempt)

    @property
    def status(self) -> JobStatus:
        """The state."""
        return self._states.status

    @property
    def is_output_purged(self) -> bool:
        """Whether cards are to show its output no more."""
        return self.expired is not None and self.expired.takes_output

    @property
    def made(self) -> KeptValues:
        """What its code has made and nobody has asked for."""
        return self._made or NOTHING

    @property
    def has_error(self) -> bool:
        """Whether it ended with an error that is still there."""
        return self.packed_error is not None

    def error(self) -> BaseException | None:
        """Its error, rebuilt in the caller's thread (the user's classes are loaded here)."""
        if not isinstance(packed := self.packed_error, PackedError):
            return packed
        if "error" not in self._rebuilt:
            self._rebuilt.setdefault("error", unpack(packed))  # the same for all who ask at once
        return self._rebuilt["error"]

    def changed(self) -> None:
        """Tell everybody who shows it; nobody hears of one whose submission was refused."""
        if self._events is not None:
            self._events.publish(self)

    def submitted(self, events: Events) -> None:
        """From here on it is one of those of which `events` tells."""
        self._events = events

    def start(self) -> bool:
        """Its turn has come. False if it was cancelled meanwhile."""
        if self.spec.has_own_queue or self._enter():
            self._begin(self.attempt)
        return not self.status.is_terminal

    def _enter(self) -> bool:
        if moved := self._states.move(JobStatus.RUNNING):
            self.times.start()
            call_all(self.on_start, self)
        return moved

    def _begin(self, attempt: Attempt) -> None:
        self.attempt = attempt
        if not self.spec.has_own_queue:
            self._limit.start()
        attempt.release()
        self.changed()

    def _come_to_life(self) -> None:
        # Its first word: it has left its backend's queue.
        if self.spec.has_own_queue:
            self._enter()
            self._limit.start()
            self.attempt.started = time.monotonic()

    def cancel(
        self, reason: str = "", *, at_once: bool = False, with_session: bool = False
    ) -> bool:
        """End it; the state reads CANCELED at once. False if it had ended.

        Args:
            reason: Why, for people; empty if the state says all.
            at_once: Without the grace that lets it clean up.
            with_session: Its session ends, and nobody has asked for its end.
        """
        told = self.on_decided  # the watcher may hear of the end next, and lets go of the list
        if not self._states.move(JobStatus.CANCELED):
            return False
        self.reason, self.ended_with_session = reason, with_session
        try:
            self._end_attempts(at_once=at_once)
        finally:  # whatever its backend raises
            call_all(told, self)
            self.changed()
        return True

    def interrupt(self) -> bool:
        """Raise KeyboardInterrupt in it. False unless it runs."""
        running = self.attempt.running
        if self.status is not JobStatus.RUNNING or running is None:
            return False
        running.interrupt()
        return True

    def _on_message(self, message: Message) -> None:
        kind = message.get("kind")
        if kind == "hello":
            self._come_to_life()
        elif kind == "ending":
            self._limit.stop()  # it holds for the code
        elif kind == "note":
            self.notes.append(str(message["text"]))
        elif kind == "moved":
            # Its forked process hung at its start, and it begins anew in a fresh interpreter.
            self.spec = self.spec.moved(message["method"], message["shipped"])
            self.notes.append("it has the variables as they were when it was started anew")
        elif kind == INPUTS:
            self.inputs.take(message)
        elif kind == MADE:
            self._made = KeptValues(MADE, self._directory)
            self._made.take(message)
            self.changed()
        else:
            self.on_message(self, message)

    def _on_end(self, attempt: Attempt, outcome: Outcome) -> None:
        """An attempt is gone, and everything that it started."""
        self._alive -= 1
        if attempt is self.attempt:
            self._on_end_of_current(attempt, outcome)
        if not self._alive:
            self.ended.set()
            call_all(self.on_gone, self)
            self.on_start = self.on_attempt_end = self.on_decided = self.on_gone = NOBODY
            self.changed()

    def _on_end_of_current(self, attempt: Attempt, outcome: Outcome) -> None:
        self._limit.stop()
        call_all(self.on_attempt_end, self)
        if count := outcome.usage.leftover_processes:
            self.notes.append(f"{count} process{'es' * (count > 1)} it had started ended with it")
        attempt.exit_code = outcome.exit_code if isinstance(outcome, Died) else None
        failure = self._limit.error() or failure_of(outcome, attempt.log)
        if failure is None:
            attempt.exit_code = 0
        if failure is not None and self._may_begin_again(attempt, failure):
            attempt.reason = reason_of(failure)
            self.notes.append(f"attempt {attempt.number} failed: {attempt.reason}")
            self._begin(self.attempts[attempt.number])
            return
        self.times.end()
        if self._decide(attempt, outcome, failure):
            call_all(self.on_decided, self)
        for spare in self.attempts[attempt.number :]:
            spare.end(at_once=True)

    def _may_begin_again(self, attempt: Attempt, failure: Failure) -> bool:
        is_last = attempt.number == len(self.attempts)
        return not (is_last or is_wanted(failure)) and self.status is JobStatus.RUNNING

    def _decide(self, attempt: Attempt, outcome: Outcome, failure: Failure | None) -> bool:
        """Move to the state that the outcome means; False if it was decided before."""
        if failure is not None:
            return self._fail(attempt, failure)
        assert isinstance(outcome, Returned)  # noqa: S101 - or there were a failure
        # The values must be there before anyone can see COMPLETED.
        self.values = outcome.values
        if missing := _missing(outcome.values, self.spec.outs):
            self.reason = f"without {', '.join(missing)}"
        decided = self._states.move(JobStatus.COMPLETED)
        if not decided:
            self.values, self.reason = None, ""
        return decided

    def _fail(self, attempt: Attempt, error: Failure) -> bool:
        if self.status is JobStatus.CANCELED:
            return False
        self.packed_error = error
        self.reason = attempt.reason = reason_of(error)
        decided = self._states.move(JobStatus.PRUNED if is_pruning(error) else JobStatus.ERRORED)
        if not decided:
            self.packed_error, self.reason = None, ""
        return decided

    def _time_out(self) -> None:
        if self.status is JobStatus.RUNNING:
            self._limit.was_passed = True
            self.attempt.end()

    def log_of(self, number: int | None) -> LogSpool:
        """The log of an attempt; of the last if None. ValueError if there is no such attempt."""
        last = self.attempt.number
        if number is None or number == last:
            return self.attempt.log
        if not 1 <= number < last or self.expired is not None:
            raise ValueError(f"there were attempts 1 to {last}, and no {number!r}")
        return self.attempts[number - 1].log

    def value(self, name: str = RESULT) -> Any:
        """A value it gave back; KeyError if there is none of that name."""
        values = self.values
        if values is None:
            raise KeyError(name)
        return values.load(name)

    def value_names(self) -> list[str]:
        """The variables it gave back."""
        return [] if self.values is None else [n for n in self.values.entries if n != RESULT]

    @property
    def kept_s(self) -> float | None:
        """For how many seconds after its end its result is kept; None if that isn't limited."""
        kept = self.ended.is_set() and self.expired is None and not self.pinned
        return self.spec.retention_s if kept else None

    def pin(self, pinned: bool) -> None:
        """Keep its result whatever the limits say, or let them hold for it again."""
        self.pinned = pinned
        call_all(self.on_retention, self)
        self.changed()

    def end_at(self, when: datetime.datetime) -> None:
        """It has ended at another time than was recorded (contracts J15).

        Raises:
            ValueError: it has not ended.
        """
        self.times.end_at(when)
        call_all(self.on_retention, self)

    def drop_values(self) -> None:
        """Forget what it returned and raised. Takes no lock."""
        values, self.values, self._rebuilt = self.values, None, {}
        if values is not None:
            values.drop()

    def expire(self, expiry: Expiry, *, takes_output: bool = False) -> None:
        """Drop everything that it holds but its record.

        Args:
            expiry: How it comes.
            takes_output: Cards lose the output that they have shown, too.
        """
        self.expired = self.expired or expiry
        if takes_output:
            self.expired = dataclasses.replace(self.expired, takes_output=True)
        call_all(self.on_expired, self)
        self.values, self._rebuilt = None, {}
        if isinstance(self.packed_error, PackedError):
            self.packed_error = self.packed_error.short()
        for attempt in self.attempts:
            attempt.drop()
        self.attempts, self.replay = [self.attempt], None
        self.inputs.drop()
        if self._made is not None:
            self._made.drop()
        self.on_expired = self.on_retention = NOBODY
        self.changed()


def _missing(values: Values | PlainValues, names: Iterable[str]) -> list[str]:
    """The variables that were to come home, and were not made or can't be pickled."""
    entries = values.entries
    return [n for n in names if n not in entries or getattr(entries[n], "error", None)]


def _ignore(_job: Job, _message: Message) -> None:
    """Nobody asked for it."""
