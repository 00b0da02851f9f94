"""A future always answers: a cancel, the end, a time-out and the rest in every possible order."""

from __future__ import annotations

import concurrent.futures
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.backends.base import Task
from caikit_nb.backends.inline_backend import InlineBackend
from caikit_nb.errors import JobResultExpired, JobTimeoutError
from caikit_nb.execution import latch, lazy_condition
from caikit_nb.execution.call import RESULT, Call, run_function
from caikit_nb.execution.outcome import Died, Outcome, PlainValues, Returned, Usage
from caikit_nb.execution.watcher import Timer
from caikit_nb.jobs import (
    attempt,
    callbacks,
    job,
    job_future,
    lazy_future,
    queue,
    retention,
    states,
    time_limit,
)
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.job_spec import JobSpec
from caikit_nb.jobs.states import JobStatus
from tests.jobs.interleaving import Lock, Run, Scene, explore

LINE_BY_LINE = (attempt, callbacks, job, job_future, latch, lazy_future, states, time_limit)
# Where three or four threads play, the rest is run from lock to lock.
AT_LEAST = (callbacks, job, lazy_future)
_FAR_S = 3600.0
_MOST = 300_000
_GONE = Died(None, True, Usage())


class Condition(Lock):
    """A `LazyCondition` over a lock of the model's; what it does is its own code."""

    def __init__(self, run: Run) -> None:
        super().__init__(run, reentrant=True)
        self._condition = None

    wait = lazy_condition.LazyCondition.wait
    notify_all = lazy_condition.LazyCondition.notify_all


class Watcher:
    """Takes timers; who plays the watcher's thread lets them ring."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def call_at(self, when: float, callback: Callable[[], object]) -> Timer:
        self.timers.append(Timer(when, callback))
        return self.timers[-1]

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        return self.call_at(time.monotonic() + delay_s, callback)

    def ring(self) -> None:
        """All timers' times have come."""
        timers, self.timers = self.timers, []
        for timer in timers:
            if timer.callback is not None:
                timer.callback()


class Later:
    """Takes work of a thread of ours; who plays that thread does it."""

    def __init__(self) -> None:
        self.work: list[Callable[[], object]] = []

    def put(self, work: Callable[[], object]) -> None:
        self.work.append(work)

    def do(self) -> None:
        while self.work:
            self.work.pop(0)()


class Attempt:
    """The attempt of a job, as its backend has it."""

    def __init__(self, run: Run) -> None:
        self.may_end = Lock(run)
        self.may_end.acquire()
        self.was_released = self.was_told = False
        self.pid = None

    def release(self) -> None:
        self.was_released = True
        self._let()

    def end(self, *, at_once: bool = False) -> None:
        self.was_told = True
        self._let()

    def interrupt(self) -> None:
        """Nothing."""

    def _let(self) -> None:
        if self.may_end.locked():
            self.may_end.release()


class Backend(InlineBackend):
    """Has one attempt, whose end is told by who plays the watcher."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.attempt, self.listener = Attempt(run), None

    def submit(self, task: Any, listener: Any, like: Any = None) -> Any:
        self.listener = listener
        return self.attempt


class Play:
    """One job and all that may happen to it."""

    def __init__(self, run: Run, place: Path, *, queued: bool, **spec: Any) -> None:
        self.workers = 0 if queued else 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lazy_future, "LazyCondition", lambda: Condition(run))
            self.executor = JobExecutor()
            self.executor.events.publish = _ignore
            self.executor.queue._max_workers = lambda: self.workers
            self.backend, self.watcher = Backend(run), Watcher()
            self.retention, self.callbacks = Later(), Later()
            _use(run, self)
            plain = JobSpec("id", "job", "thread", "", retention_s=0.0, **spec)
            self.job = Job(plain, place)
            self.job.submitted(self.executor.events)
            self.future = JobFuture(self.job)
        self.heard: list[JobStatus] = []
        self.decided: list[JobStatus] = []
        self.answers: dict[str, Any] = {}
        self.job.on_decided.append(lambda job: self.decided.append(job.status))
        task = Task("job", Call(run_function), "thread")
        workshop = self.executor.workshop
        workshop.start(self.job, lambda _: task, backend=self.backend)
        self.executor.adopt(self.future)

    def cancel(self) -> None:
        self.answers.setdefault("cancel", []).append(self.future.cancel())

    def end(self) -> None:
        """The watcher hears of its end: of its own accord, or as it was told to."""
        self.backend.attempt.may_end.acquire()
        assert self.backend.listener is not None
        self.backend.listener.on_end(returned() if self.backend.attempt.was_released else _GONE)

    def ring_and_end(self) -> None:
        self.watcher.ring()
        self.end()

    def state(self) -> list[object]:
        """All that makes up the state."""
        parts = [self.job, self.job.ended, self.job._states, self.job.attempts[0], self.future]
        parts += [self.executor.queue, self.executor.retention, self.executor.registry]
        parts += [self.backend.attempt, self.watcher, self.retention, self.callbacks]
        return [*parts, self.answers, self.decided, self.heard]

    def start(self) -> None:
        self.workers = 1
        self.executor.queue.start_next()

    def retain(self) -> None:
        """Its retention is over, as a user's call finds it or as its timer tells."""
        retention.expire_if_due(self.job)
        self.watcher.ring()
        self.retention.do()

    def shut_down(self) -> None:
        self.executor.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        self.job.cancel("the session was closed", at_once=True)

    def listen(self) -> None:
        self.future.add_done_callback(lambda future: self.heard.append(future.status))

    def wait(self) -> None:
        try:
            self.answers["wait"] = self.future.result()
        except (Exception, concurrent.futures.CancelledError) as error:
            self.answers["wait"] = type(error)
        assert self.future.done()

    def wait_for_the_end(self) -> None:
        assert self.future.wait()

    def wait_like_others(self) -> None:
        done, pending = concurrent.futures.wait([self.future])
        assert (len(done), len(pending)) == (1, 0)

    def check(self, actors: Sequence[str]) -> None:
        self.callbacks.do()
        status = self.job.status
        assert status.is_terminal
        assert self.job.ended.is_set()
        assert self.decided == [status]
        assert self.future.done()
        assert self.future.cancelled() is (status is JobStatus.CANCELED)
        for cancelled in self.answers.get("cancel", ()):
            assert cancelled is (status is JobStatus.CANCELED)
        assert self.heard == [status] * actors.count("listen")
        if "wait" in self.answers:
            assert self.answers["wait"] in _ANSWERS[status]
        self.retention.do()
        with contextlib.suppress(
            JobResultExpired, JobTimeoutError, concurrent.futures.CancelledError
        ):
            assert self.future.result() == 42


def _ignore(_source: object) -> None:
    """Who shows jobs is not looked at."""


_ANSWERS = {
    JobStatus.COMPLETED: (42, JobResultExpired),
    JobStatus.CANCELED: (concurrent.futures.CancelledError,),
    JobStatus.ERRORED: (JobTimeoutError, JobResultExpired),
}


def returned() -> Outcome:
    return Returned(PlainValues({RESULT: 42}), Usage())


_patched = pytest.MonkeyPatch()


def _use(run: Run, play: Play) -> None:
    """Locks, timers and threads that are made once for all are the model's, too."""
    _patched.undo()
    _patched.setattr(states, "_lock", Lock(run))
    _patched.setattr(latch, "_lock", Lock(run))
    _patched.setattr(retention, "_expiring", Lock(run, reentrant=True))
    _patched.setattr(retention, "_expiries", play.retention)
    _patched.setattr(lazy_future, "_callbacks", play.callbacks)
    for module in (time_limit, retention, queue):
        _patched.setattr(module, "watcher", play.watcher)


@pytest.fixture(autouse=True)
def undo() -> Iterator[None]:
    yield
    _patched.undo()


def play_all(place: Path, actors: Sequence[str], **how: Any) -> None:
    def make(run: Run) -> Scene:
        play = Play(run, place, **how)
        end = play.ring_and_end if "timeout_s" in how else play.end
        bodies = {name: getattr(play, name.rstrip("2")) for name in actors}
        return Scene({"end": end, **bodies}, play.state(), lambda: play.check(actors))

    told = explore(make, LINE_BY_LINE if len(actors) == 1 else AT_LEAST, _MOST)
    print(f"{told.runs} orders, {len(told.states)} states")


def scene(*actors: str, **how: Any) -> Any:
    kind = "queued" if how.get("queued") else "timed" if "timeout_s" in how else "running"
    return pytest.param(actors, {"queued": False, **how}, id="-".join((kind, *actors)))


QUICK = [
    scene("cancel", queued=True),
    scene("listen"),
    scene("wait_like_others"),
    scene("retain"),
]
SLOW = [
    scene("shut_down", queued=True),
    scene("wait"),
    scene("close"),
    scene("cancel"),
    scene("cancel", timeout_s=_FAR_S),
    scene("start", "cancel", queued=True),
    scene("start", "wait", queued=True),
    scene("start", "listen", queued=True),
    scene("start", "wait_like_others", queued=True),
    scene("start", "wait_for_the_end", queued=True),
    scene("cancel", "cancel2", queued=True),
    scene("cancel", "close", queued=True),
    scene("cancel", "shut_down", queued=True),
    scene("cancel", "listen", queued=True),
    scene("cancel", "wait", queued=True),
    scene("cancel", "wait_like_others", queued=True),
    scene("wait", "retain"),
]


@pytest.mark.parametrize(("actors", "how"), QUICK)
def test_a_future_answers_in_every_order(
    tmp_path: Path, actors: Sequence[str], how: dict[str, Any]
) -> None:
    play_all(tmp_path, actors, **how)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("actors", "how"), SLOW)
def test_a_future_answers_in_every_order_of_more(
    tmp_path: Path, actors: Sequence[str], how: dict[str, Any]
) -> None:
    play_all(tmp_path, actors, **how)
