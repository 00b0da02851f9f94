"""What thousands of jobs leave behind in the process that ran them: nothing."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable

import pytest

from caikit_nb.execution.memory import private_bytes
from caikit_nb.jobs.executor import JobExecutor, JobOptions
from caikit_nb.jobs.job_future import JobFuture
from tests.execution.test_process_endings import zombies
from tests.waiting import until

pytestmark = pytest.mark.own_process

FEW = 20
BATCH = 10
LONGEST_S = 180
MEMORY_BYTES = 10 * 2**20
THREADS_OR_FDS = 2
COUNTS = [
    pytest.param(200, id="200"),
    pytest.param(2000, id="2000", marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
]


def work(number: int) -> bytes:
    """A value of up to 2 MB, some of them large enough to be mapped, or an error."""
    if number % 10 == 9:
        raise ValueError("no rate")
    return bytes(number % 7 * 300_000)


def fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def submit(executor: JobExecutor, number: int, retain: str) -> JobFuture:
    options = JobOptions(start_method="fork", retain=retain)
    return executor.submit_function(options, work, (number,), {})


def read(future: JobFuture, number: int) -> None:
    if number % 10 == 9:
        assert isinstance(future.exception(LONGEST_S), ValueError)
    else:
        assert len(future.result(LONGEST_S)) == number % 7 * 300_000
    assert future.wait(LONGEST_S)


def read_and_purge(executor: JobExecutor, numbers: range) -> None:
    futures = [submit(executor, number, "1d") for number in numbers]
    for number, future in zip(numbers, futures, strict=True):
        read(future, number)
        future.purge()


def drop_unread(executor: JobExecutor, numbers: range) -> None:
    futures = [submit(executor, number, "0s") for number in numbers]
    assert all(future.wait(LONGEST_S) for future in futures)


def keep_unread(executor: JobExecutor, numbers: range) -> None:
    futures = [submit(executor, number, "1d") for number in numbers]
    assert all(future.wait(LONGEST_S) for future in futures)


Way = Callable[[JobExecutor, range], None]


def run(executor: JobExecutor, way: Way, count: int) -> None:
    for first in range(0, count, BATCH):
        way(executor, range(first, first + BATCH))
    gc.collect()


every_way = pytest.mark.parametrize(
    "way", [read_and_purge, drop_unread], ids=lambda way: way.__name__
)


@pytest.mark.parametrize("count", COUNTS)
@every_way
def test_many_jobs_leave_no_more_than_twenty(executor: JobExecutor, way: Way, count: int) -> None:
    run(executor, way, FEW)
    before, memory_before = (fds(), threading.active_count()), private_bytes(os.getpid())
    run(executor, way, count)
    until(lambda: fds() <= before[0] + THREADS_OR_FDS)
    until(lambda: threading.active_count() <= before[1] + THREADS_OR_FDS)
    until(lambda: zombies() == [])
    # Their records stay in the executor's table, of a few kilobytes each.
    assert private_bytes(os.getpid()) - memory_before < MEMORY_BYTES + 2000 * count


def test_finished_jobs_that_are_kept_hold_no_descriptors(executor: JobExecutor) -> None:
    run(executor, keep_unread, FEW)
    before = fds()
    run(executor, keep_unread, 5 * BATCH)
    until(lambda: fds() <= before + THREADS_OR_FDS)
