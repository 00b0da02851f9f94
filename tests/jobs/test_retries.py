"""A failed attempt is run anew."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import caikit_nb
from caikit_nb.errors import JobTimeoutError, UnpicklableError
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from tests.fifo import Fifo
from tests.waiting import is_gone_within, until

METHODS = ["fork", "spawn", "forkserver", "thread"]
every_method = pytest.mark.parametrize("method", METHODS)


def submit(executor: JobExecutor, method: str, function: Any, *args: Any, **more: Any) -> JobFuture:
    return executor.submit_function(JobOptions(start_method=method, **more), function, args, {})


def fail_until(last: int) -> int:
    job = caikit_nb.current_job()
    assert job is not None
    print("attempt", job.attempt)
    if job.attempt < last:
        raise ValueError(f"not at the {job.attempt}. time")
    return job.attempt


@every_method
def test_it_is_run_until_it_succeeds(executor: JobExecutor, method: str) -> None:
    future = submit(executor, method, fail_until, 3, retries=5)
    assert future.result(120) == 3
    assert future.get_info().attempt == 3
    assert future.get_info().errors is None
    assert future.wait(120)


@every_method
def test_each_attempt_has_its_own_log_and_its_reason(executor: JobExecutor, method: str) -> None:
    future = submit(executor, method, fail_until, 3, retries=2)
    assert future.wait(120)
    assert [attempt.log.text() for attempt in future._job.attempts] == [
        "attempt 1\n",
        "attempt 2\n",
        "attempt 3\n",
    ]
    assert future.logs() == "attempt 3\n"
    assert future.logs(attempt=1) == "attempt 1\n"
    assert [attempt.reason for attempt in future._job.attempts] == [
        "ValueError: not at the 1. time",
        "ValueError: not at the 2. time",
        "",
    ]
    with pytest.raises(ValueError, match="attempts 1 to 3"):
        future.logs(attempt=4)


@every_method
def test_the_last_failure_is_the_jobs(executor: JobExecutor, method: str) -> None:
    future = submit(executor, method, fail_until, 9, retries=1)
    assert str(future.exception(120)) == "not at the 2. time"
    assert future.status is JobStatus.ERRORED


def die_until(last: int) -> int:
    job = caikit_nb.current_job()
    assert job is not None
    if job.attempt < last:
        os.kill(os.getpid(), signal.SIGKILL)
    return job.attempt


def test_a_death_is_a_failure(executor: JobExecutor) -> None:
    future = submit(executor, "fork", die_until, 2, retries=1)
    assert future.result(120) == 2
    assert "killed by SIGKILL" in future._job.notes[0]


def hang_until(last: int, held: Fifo) -> int:
    job = caikit_nb.current_job()
    assert job is not None
    if job.attempt < last:
        held.hear()
    return job.attempt


def test_the_timeout_holds_for_each_attempt(executor: JobExecutor, held: Fifo) -> None:
    # On a busy machine a later one may be the first that is fast enough.
    late = submit(executor, "fork", hang_until, 2, held, retries=100, timeout=0.2)
    assert late.result(120) >= 2
    error = submit(executor, "fork", hang_until, 9, held, retries=1, timeout=0.2).exception(120)
    assert isinstance(error, JobTimeoutError)


def test_a_forked_attempt_has_the_values_of_the_submission(executor: JobExecutor) -> None:
    values = [1]

    def first_value() -> int:
        fail_until(2)
        return values[0]

    future = submit(executor, "fork", first_value, retries=1)
    values[0] = 2
    assert future.result(120) == 1


def test_what_was_shipped_is_pickled_once(executor: JobExecutor) -> None:
    pickled = []

    class Counted:
        def __reduce__(self) -> tuple[Any, ...]:
            pickled.append(1)
            return (int, (7,))

    counted = Counted()
    future = submit(executor, "spawn", lambda value: fail_until(3) + int(value), counted, retries=2)
    assert future.result(120) == 10
    assert len(pickled) == 1


@every_method
def test_a_cancelled_job_is_not_run_anew(
    executor: JobExecutor, tmp_path: Path, method: str
) -> None:
    future = submit(executor, method, count_and_spin, str(tmp_path / "count"), retries=3)
    count = tmp_path / "count"
    until(lambda: count.exists() and count.read_text() == "x")
    assert future.cancel()
    assert future.wait(120)
    assert future.status is JobStatus.CANCELED
    assert (tmp_path / "count").read_text() == "x"


def count_and_spin(path: str) -> None:
    with open(path, "a") as file:
        file.write("x")
    while True:
        pass


def interrupted() -> None:
    raise KeyboardInterrupt


def test_who_interrupts_does_not_want_it_anew(executor: JobExecutor) -> None:
    future = submit(executor, "fork", interrupted, retries=3)
    assert isinstance(future.exception(120), KeyboardInterrupt)
    assert future.get_info().attempt == 1


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_attempts_that_are_not_needed_leave_nothing(executor: JobExecutor) -> None:
    before = len(os.listdir("/proc/self/fd"))
    future = submit(executor, "fork", fail_until, 1, retries=5)
    pids = [attempt.running.pid for attempt in future._job.attempts if attempt.running]
    assert future.wait(120)
    assert all(is_gone_within(pid) for pid in pids if pid is not None)
    fresh = submit(executor, "spawn", fail_until, 1, retries=5)
    assert fresh.wait(120)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


@every_method
def test_one_cancelled_in_the_queue_leaves_nothing(executor: JobExecutor, method: str) -> None:
    executor._policy.max_workers = 0
    future = submit(executor, method, fail_until, 1, retries=2)
    assert future.cancel()
    assert future.wait(120)


def test_one_that_can_not_be_shipped_leaves_nothing(executor: JobExecutor) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(UnpicklableError):
        submit(executor, "spawn", print, threading.Lock(), retries=3)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


@pytest.mark.parametrize("retries", [-1, 101, 1.5, "3", True, None])
def test_a_wrong_number_is_refused(executor: JobExecutor, retries: Any) -> None:
    with pytest.raises(ValueError, match="retries must be a whole number from 0 to 100"):
        submit(executor, "fork", print, retries=retries)
