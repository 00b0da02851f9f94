"""How many results are kept, how large they may be, and which stay."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.execution.memory import private_bytes
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.retention import Limits, overflow
from tests.fifo import Fifo
from tests.waiting import until


@dataclass(eq=False)
class Result:
    """As much of a result as `overflow` looks at."""

    size_bytes: int
    pinned: bool = False


results = st.lists(st.builds(Result, st.integers(0, 100), st.booleans()))
limits = st.builds(Limits, st.none() | st.integers(1, 8), st.none() | st.integers(0, 300))


def gone_of(kept: Sequence[Result], limit: Limits) -> list[Result]:
    left = loose(kept)
    return overflow(kept, limit, len(left), sum(result.size_bytes for result in left))


def loose(kept: Sequence[Result]) -> list[Result]:
    return [result for result in kept if not result.pinned]


@given(results, limits)
def test_what_is_left_is_within_the_limits_or_one(kept: list[Result], limit: Limits) -> None:
    gone = gone_of(kept, limit)
    left = [result for result in loose(kept) if result not in gone]
    if len(left) > 1:
        assert limit.max_results is None or len(left) <= limit.max_results
        assert limit.max_bytes is None or sum(r.size_bytes for r in left) <= limit.max_bytes


@given(results, limits)
def test_the_oldest_go_and_no_more_than_must(kept: list[Result], limit: Limits) -> None:
    gone = gone_of(kept, limit)
    assert gone == loose(kept)[: len(gone)]
    if gone:
        one_more = [gone[-1], *loose(kept)[len(gone) :]]
        too_many = limit.max_results is not None and len(one_more) > limit.max_results
        size_bytes = sum(result.size_bytes for result in one_more)
        assert too_many or (limit.max_bytes is not None and size_bytes > limit.max_bytes)


@given(results)
def test_without_limits_nothing_goes(kept: list[Result]) -> None:
    assert gone_of(kept, Limits()) == []


def test_it_looks_only_at_what_goes() -> None:
    looks = []

    def kept() -> Iterator[Result]:
        for number in range(10_000):
            looks.append(number)
            yield Result(1)

    assert len(overflow(kept(), Limits(max_bytes=9_997), 10_000, 10_000)) == 3
    assert len(looks) <= 5


def test_one_that_is_purged_the_moment_it_ends_counts_no_more(
    executor: JobExecutor, held: Fifo
) -> None:
    future = submit(executor, held.hear)
    gone = threading.Event()
    future._job.on_gone.insert(0, lambda job: job.expire("at once"))
    future._job.on_gone.append(lambda _: gone.set())
    held.say()
    assert gone.wait(120)
    assert executor.retention._kept == {}


def test_pinning_and_its_end_change_what_counts(executor: JobExecutor) -> None:
    executor._policy.max_results = 2
    futures = [submit(executor, int) for _ in range(2)]
    assert all(future.wait(120) for future in futures)
    futures[0].pin()
    futures.append(submit(executor, int))
    assert futures[2].wait(120)
    futures.append(submit(executor, int))
    until(lambda: kept_of(futures) == [True, False, True, True])
    futures[0].unpin()
    until(lambda: kept_of(futures) == [False, False, True, True])


def submit(executor: JobExecutor, function: Any, *args: Any, **more: Any) -> JobFuture:
    return executor.submit_function(JobOptions(start_method="fork", **more), function, args, {})


def kept_of(futures: Sequence[JobFuture]) -> list[bool]:
    return [future._job.expired is None for future in futures]


def test_the_newest_by_bytes_stay(executor: JobExecutor) -> None:
    executor._policy.max_result_bytes = "2500kB"
    futures = []
    for _ in range(4):
        futures.append(submit(executor, bytes, 1_000_000))
        assert futures[-1].wait(120)
    until(lambda: kept_of(futures) == [False, False, True, True])


def test_one_that_alone_is_too_large_can_be_fetched(executor: JobExecutor) -> None:
    executor._policy.max_result_bytes = 10
    future = submit(executor, bytes, 1000)
    assert len(future.result(120)) == 1000


def test_the_time_of_a_pinned_result_goes_on(executor: JobExecutor, held: Fifo) -> None:
    future = submit(executor, held.hear, retain="0.05s")
    future.pin()
    held.say("pinned")
    assert future.result(120) == "pinned"
    other = submit(executor, int, retain="0.2s")
    until(lambda: other._job.expired is not None)
    assert future.result(120) == "pinned"
    assert future.expiry_time is None
    future.unpin()
    until(lambda: future._job.expired is not None)


def test_when_it_goes_is_known(executor: JobExecutor) -> None:
    future = submit(executor, int, retain="1h")
    assert future.expiry_time is None
    assert future.wait(120)
    assert future.expiry_time is not None
    assert future.completion_time is not None
    assert (future.expiry_time - future.completion_time).total_seconds() == 3600
    forever = submit(executor, int, retain="forever")
    assert forever.wait(120)
    assert forever.expiry_time is None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("count", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_the_memory_of_expired_results_goes_back(executor: JobExecutor, count: int) -> None:
    submit(executor, bytes, 10).result(120)
    before = private_bytes(os.getpid())
    futures = [submit(executor, bytes, 10_000_000, retain="1h") for _ in range(count)]
    assert all(len(future.result(120)) == 10_000_000 for future in futures)
    assert private_bytes(os.getpid()) - before > 7_000_000 * count
    for future in futures:
        future.purge()
    gc.collect()
    assert private_bytes(os.getpid()) - before < 50_000_000
