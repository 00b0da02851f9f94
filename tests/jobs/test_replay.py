"""The same work with the same inputs and seed again."""

from __future__ import annotations

import os
import random
import threading
from typing import Any

import numpy
import pytest

from caikit_nb.errors import ReplayError
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from tests.waiting import until

METHODS = ["fork", "spawn", "forkserver"]
every_method = pytest.mark.parametrize("method", METHODS)


def submit(executor: JobExecutor, method: str, function: Any, *args: Any, **more: Any) -> JobFuture:
    return executor.submit_function(JobOptions(start_method=method, **more), function, args, {})


def draw_and_change(values: list[int]) -> list[float]:
    values.append(0)
    return [sum(values), random.random()]


@every_method
def test_it_has_the_inputs_and_the_seed_of_then(executor: JobExecutor, method: str) -> None:
    values = [1, 2]
    first = submit(executor, method, draw_and_change, values)
    result = first.result(120)
    values.append(100)
    again = first.replay()
    assert again.result(120) == result
    assert again.seed == first.seed
    assert again.name != first.name
    assert again.replay().result(120) == result


def test_large_arrays_cross_as_they_were(executor: JobExecutor) -> None:
    array = numpy.arange(100_000)
    first = submit(executor, "fork", array.copy().sum)
    assert first.wait(120)
    array[:] = 0
    assert first.replay().result(120) == 4999950000


def fail_once(pid: int) -> int:
    raise ValueError("as always")


def test_a_failed_job_can_be_replayed(executor: JobExecutor) -> None:
    first = submit(executor, "fork", fail_once, os.getpid())
    assert first.wait(120)
    assert str(first.replay().exception(120)) == "as always"


def test_inputs_that_are_too_large_are_not_kept(executor: JobExecutor) -> None:
    executor._policy.max_replay_bytes = "1MB"
    first = submit(executor, "fork", len, bytes(2_000_000))
    assert first.result(120) == 2_000_000
    assert not first._job.directory.exists()
    with pytest.raises(ReplayError, match="'args' is too large"):
        first.replay()
    small = submit(executor, "fork", len, b"abc")
    assert small.wait(120)
    assert small.replay().result(120) == 3


def test_none_are_kept_if_so_configured(executor: JobExecutor) -> None:
    executor._policy.max_replay_bytes = 0
    first = submit(executor, "fork", len, b"abc")
    assert first.wait(120)
    with pytest.raises(ReplayError, match="its inputs were not kept"):
        first.replay()


def test_an_input_that_can_not_be_pickled_is_named(executor: JobExecutor) -> None:
    first = submit(executor, "fork", repr, threading.Lock())
    assert first.wait(120)
    count = len(executor.registry.all())
    with pytest.raises(ReplayError, match="lock"):
        first.replay()
    assert len(executor.registry.all()) == count


def test_a_job_in_a_thread_keeps_none(executor: JobExecutor) -> None:
    first = submit(executor, "thread", int)
    assert first.wait(120)
    with pytest.raises(ReplayError, match="its inputs were not kept"):
        first.replay()


def test_they_go_with_the_retention(executor: JobExecutor) -> None:
    first = submit(executor, "fork", len, bytes(100_000), retain="0s")
    until(lambda: first._job.expired is not None)
    until(lambda: not list(first._job.directory.glob("inputs*")))
    with pytest.raises(ReplayError, match="it was kept for 0 s"):
        first.replay()


def test_what_is_kept_is_private(executor: JobExecutor) -> None:
    first = submit(executor, "fork", len, bytes(100_000))
    assert first.wait(120)
    (file,) = first._job.directory.glob("inputs*")
    assert file.stat().st_mode & 0o777 == 0o600
    assert first.replay().result(120) == 100_000


@every_method
def test_few_bytes_stay_with_the_record_and_cost_no_file(
    executor: JobExecutor, method: str
) -> None:
    first = submit(executor, method, len, b"abc")
    assert first.wait(120)
    assert not first._job.directory.exists()
    assert first.replay().result(120) == 3


def test_those_of_a_changed_value_are_the_ones_it_began_with(executor: JobExecutor) -> None:
    first = submit(executor, "fork", draw_and_change, [1] * 100_000)
    assert first.wait(120)
    assert first.replay().result(120) == first.result()
