"""A job past its memory limit is ended, and only that job; the evidence is told."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

from caikit_nb.errors import JobDiedError, JobOutOfMemoryError
from caikit_nb.execution import memory
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.options import JobOptions
from tests.fifo import Fifo

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

PROCESSES = ["fork", "spawn", "forkserver"]
every_process = pytest.mark.parametrize("method", PROCESSES)


def run(executor: JobExecutor, method: str, function: Any, *args: Any, **options: Any) -> Any:
    return executor.submit_function(JobOptions(start_method=method, **options), function, args, {})


def allocate(size_bytes: int) -> int:
    return int(numpy.ones(size_bytes, dtype=numpy.uint8)[-1])


@every_process
def test_an_allocation_past_the_limit_is_refused(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, allocate, 500 * 2**20, memory_limit="200MiB")
    error = future.exception(120)
    assert isinstance(error, JobOutOfMemoryError)
    assert str(error).startswith("the job was refused memory past its limit of 200 MiB: ")
    assert isinstance(error.__cause__, MemoryError)
    assert not isinstance(error.__cause__, JobOutOfMemoryError)
    assert "in allocate" in str(error.__cause__.__cause__)  # where it was, as the job saw it


def precedence() -> list[int]:
    """How willingly the system would end this process and one that it starts, of 1000."""
    command = [sys.executable, "-c", "print(open('/proc/self/oom_score_adj').read())"]
    started = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [int(Path("/proc/self/oom_score_adj").read_text()), int(started)]


@every_process
def test_a_job_goes_before_its_kernel_where_memory_runs_out(
    executor: JobExecutor, method: str
) -> None:
    before = precedence()
    assert run(executor, method, precedence).result(120) == [1000, 1000]
    assert precedence() == before


def allocate_twice(size_bytes: int) -> int:
    try:
        return allocate(size_bytes)
    except MemoryError:
        return allocate(size_bytes // 10)


def test_a_refusal_can_be_caught(executor: JobExecutor) -> None:
    future = run(executor, "fork", allocate_twice, 500 * 2**20, memory_limit="200MiB")
    assert future.result(120) == 1


def hoard() -> None:
    kept = []
    while True:
        kept.append(str(len(kept)) * 100)


@every_process
def test_running_out_of_the_limit_in_small_steps_is_told(
    executor: JobExecutor, method: str
) -> None:
    error = run(executor, method, hoard, memory_limit="100MiB").exception(120)
    assert isinstance(error, JobOutOfMemoryError)
    assert "past its" in str(error)


def meet(threads: int) -> int:
    """All of them at once; none does anything."""
    all_here = threading.Barrier(threads + 1)
    started = [threading.Thread(target=all_here.wait) for _ in range(threads)]
    for thread in started:
        thread.start()
    all_here.wait()
    for thread in started:
        thread.join()
    return threads


@every_process
def test_idle_threads_use_no_memory(executor: JobExecutor, method: str) -> None:
    assert run(executor, method, meet, 100, memory_limit="100MiB").result(120) == 100


def allocate_among_threads(size_bytes: int) -> int:
    meet(100)
    return allocate(size_bytes)


@every_process
def test_threads_that_are_gone_raise_no_limit(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, allocate_among_threads, 1000 * 2**20, memory_limit="100MiB")
    assert isinstance(future.exception(120), JobOutOfMemoryError)


def test_a_memory_error_without_a_limit_is_the_jobs_own(executor: JobExecutor) -> None:
    error = run(executor, "fork", allocate, 2**60).exception(120)
    assert isinstance(error, MemoryError)
    assert not isinstance(error, JobOutOfMemoryError)


@every_process
def test_within_the_limit_nothing_happens(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, allocate, 100 * 2**20, memory_limit="400MiB")
    assert future.result(120) == 1


@pytest.fixture
def shared() -> Any:
    """300 MiB that a forked job shares with this process."""
    return numpy.ones(300 * 2**20, dtype=numpy.uint8)


def rewrite(array: Any, held: Fifo) -> None:
    array[:] = 2  # no allocation: the pages become the job's own as they are written
    held.hear()


def test_pages_that_a_forked_job_rewrites_are_its_own(
    executor: JobExecutor, tmp_path: Path, shared: Any
) -> None:
    held = Fifo(tmp_path / "held")
    future = run(executor, "fork", rewrite, shared, held, memory_limit="100MiB")
    error = future.exception(120)
    assert isinstance(error, JobOutOfMemoryError)
    assert isinstance(error, MemoryError)
    assert "past its memory limit of 100 MiB" in str(error)
    assert future.get_info().peak_memory_bytes > 100 * 2**20
    assert shared[0] == 1
    assert run(executor, "fork", allocate, 1).result(120) == 1


def test_shared_pages_do_not_count(executor: JobExecutor, shared: Any) -> None:
    future = run(executor, "fork", shared.sum, memory_limit="100MiB")
    assert future.result(120) == shared.size


def die() -> None:
    os.kill(os.getpid(), 9)


def test_a_kill_is_not_called_out_of_memory_without_evidence(executor: JobExecutor) -> None:
    error = run(executor, "fork", die).exception(120)
    assert isinstance(error, JobDiedError)
    assert not isinstance(error, JobOutOfMemoryError)
    assert "killed by SIGKILL (signal 9) (sender unknown)" in str(error)


@pytest.mark.parametrize("limit", ["5XB", "", -1, "lots", True])
def test_a_wrong_limit_is_refused(executor: JobExecutor, limit: Any) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        run(executor, "fork", allocate, 1, memory_limit=limit)


def test_private_memory_of_this_process_is_seen() -> None:
    before = memory.private_bytes(os.getpid())
    own = numpy.ones(50 * 2**20, dtype=numpy.uint8)
    assert memory.private_bytes(os.getpid()) - before > 0.9 * own.nbytes


def test_a_process_that_is_gone_has_no_memory() -> None:
    assert memory.private_bytes(2**22 + 1) == 0


def test_sizes_are_told_in_the_unit_of_the_limit() -> None:
    assert memory.in_words(300 * 10**6) == "300 MB"
    assert memory.in_words(512 * 2**20) == "512 MiB"
    assert memory.in_words(320 * 2**20, like=300 * 10**6) == "336 MB"
