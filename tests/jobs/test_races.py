"""A terminal state is final under every race, and told exactly once."""

from __future__ import annotations

import functools
import random
import sys
import threading
from concurrent.futures import CancelledError
from typing import Any

import pytest

from caikit_nb.errors import JobTimeoutError
from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus

pytestmark = pytest.mark.own_process

ROUNDS = [("thread", 1000), ("fork", 150)]


class History:
    """What is told of a job, and when its state is looked at."""

    def __init__(self, future: JobFuture) -> None:
        self.decided: list[JobStatus] = []
        self.done: list[JobStatus] = []
        future._job.on_decided.append(lambda job: self.decided.append(job.status))
        future.add_done_callback(lambda _: self.done.append(future.status))


def submit(executor: JobExecutor, method: str, **more: Any) -> tuple[JobFuture, History]:
    executor._policy.max_workers = 0  # so that nobody misses anything
    options = JobOptions(start_method=method, **more)
    future = executor.submit_function(options, sum, ([20, 22],), {})
    history = History(future)
    executor._policy.max_workers = 4
    return future, history


def test_no_cancel_meets_the_imports_of_a_thread_job(executor: JobExecutor) -> None:
    loaded = "caikit_nb.jobs.bar_libraries"
    assert loaded not in sys.modules  # in this process of the test's own
    future, _ = submit(executor, "thread")
    assert loaded in sys.modules
    assert future.status is JobStatus.QUEUED
    assert future.cancel()


@pytest.mark.parametrize("method", ["thread", "fork"])
def test_a_cancel_is_told_though_the_end_is_heard_of_first(
    executor: JobExecutor, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_attempts = Job._end_attempts

    def end_and_let_it_be_heard(job: Job, *, at_once: bool) -> None:
        end_attempts(job, at_once=at_once)
        assert job.ended.wait(120)

    monkeypatch.setattr(Job, "_end_attempts", end_and_let_it_be_heard)
    future, history = submit(executor, method)
    assert future.cancel()
    assert history.decided == [JobStatus.CANCELED]
    with pytest.raises(CancelledError):
        future.result(120)


@pytest.mark.parametrize(("method", "rounds"), ROUNDS)
@pytest.mark.timeout(600)
def test_cancel_against_completion(executor: JobExecutor, method: str, rounds: int) -> None:
    chosen, seen = random.Random(1), set()
    about_s = 0.0015 if method == "thread" else 0.025
    for _ in range(rounds):
        future, history = submit(executor, method)
        later = functools.partial(watcher.call_later, 2 * chosen.random() * about_s, future.cancel)
        cancel = threading.Thread(target=later)
        cancel.start()
        executor.queue.start_next()
        cancelled_here = chosen.random() < 0.2 and future.cancel()
        assert future.wait(120)
        cancel.join()
        status = future.status
        assert not cancelled_here or status is JobStatus.CANCELED
        assert status in (JobStatus.COMPLETED, JobStatus.CANCELED)
        assert history.decided == [status]
        assert future.cancelled() is (status is JobStatus.CANCELED)
        if status is JobStatus.COMPLETED:
            assert future.result(120) == 42
        assert future.cancel() is (status is JobStatus.CANCELED)
        assert future.status is status
        seen.add(status)
        if not cancelled_here:  # as fast as the machine is now
            about_s *= 0.9 if status is JobStatus.COMPLETED else 1.1
    assert len(seen) == 2  # or there was no race


@pytest.mark.parametrize(("method", "rounds"), ROUNDS)
@pytest.mark.timeout(600)
def test_timeout_against_result(executor: JobExecutor, method: str, rounds: int) -> None:
    chosen = random.Random(2)
    for _ in range(rounds):
        future, history = submit(executor, method, timeout=chosen.random() / 100)
        executor.queue.start_next()
        assert future.wait(120)
        status, error = future.status, future.exception(120)
        assert status is (JobStatus.COMPLETED if error is None else JobStatus.ERRORED)
        assert isinstance(error, JobTimeoutError | None)
        assert history.decided == [status]
        assert future.get_info().status is status
