"""First in, first out, and never more at once than there are workers."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from tests.fifo import Fifo


def submit(executor: JobExecutor, function: Any, method: str = "thread") -> JobFuture:
    return executor.submit_function(JobOptions(start_method=method), function, (), {})


@pytest.fixture
def one_worker(executor: JobExecutor) -> JobExecutor:
    executor._policy.max_workers = 1
    return executor


def test_jobs_start_in_the_order_of_submission(one_worker: JobExecutor) -> None:
    seen: list[int] = []
    futures = [submit(one_worker, lambda n=n: seen.append(n)) for n in range(50)]
    assert all(future.wait(120) for future in futures)
    assert seen == list(range(50))


def test_no_more_jobs_run_than_there_are_workers(executor: JobExecutor) -> None:
    release, entered = threading.Event(), threading.Semaphore(0)
    futures = [submit(executor, lambda: (entered.release(), release.wait(120))) for _ in range(5)]
    entered.acquire()
    entered.acquire()
    statuses = [future.status for future in futures]
    assert statuses == [JobStatus.RUNNING] * 2 + [JobStatus.QUEUED] * 3
    assert not entered.acquire(timeout=0.05)
    release.set()
    assert all(future.wait(120) for future in futures)


@pytest.mark.parametrize("method", ["thread", "fork", "spawn", "forkserver"])
def test_a_job_cancelled_in_the_queue_never_runs(
    one_worker: JobExecutor, tmp_path: Path, method: str
) -> None:
    held = Fifo(tmp_path / "held")
    running = submit(one_worker, held.hear, "fork")
    waiting = submit(one_worker, (tmp_path / "ran").touch, method)
    assert waiting.status is JobStatus.QUEUED
    assert waiting.cancel()
    assert waiting.status is JobStatus.CANCELED
    assert waiting.wait(120)
    held.say()
    assert running.wait(120)
    assert submit(one_worker, int).result(120) == 0
    assert not (tmp_path / "ran").exists()


def test_a_cancelled_running_job_makes_room(one_worker: JobExecutor, tmp_path: Path) -> None:
    held = Fifo(tmp_path / "held")
    running, waiting = submit(one_worker, held.hear, "fork"), submit(one_worker, int)
    running.cancel()
    assert waiting.result(120) == 0


def test_a_thousand_cancelled_jobs_do_not_stop_the_queue(one_worker: JobExecutor) -> None:
    release, held = threading.Event(), threading.Event()
    running = submit(one_worker, release.wait)
    futures = [submit(one_worker, int) for _ in range(1000)]
    last = submit(one_worker, int)
    watcher.call_soon(lambda: held.wait(120))  # the end of the first is heard before the others'
    thread = running._job.attempt.running._thread  # type: ignore[union-attr]
    release.set()
    thread.join(120)
    assert all(future.cancel() for future in futures)
    held.set()
    assert last.result(120) == 0


def test_positions_count_from_one(one_worker: JobExecutor) -> None:
    release = threading.Event()
    futures = [submit(one_worker, release.wait) for _ in range(3)]
    assert [one_worker.queue.place(f._job) for f in futures] == [None, 1, 2]
    release.set()
    assert all(future.wait(120) for future in futures)


def test_a_queued_fork_sees_the_namespace_of_its_submission(
    one_worker: JobExecutor, tmp_path: Path
) -> None:
    held, values = Fifo(tmp_path / "held"), ["then"]
    running = submit(one_worker, held.hear, "fork")
    waiting = submit(one_worker, lambda: values[0], "fork")
    values[0] = "now"
    held.say()
    assert running.wait(120)
    assert waiting.result(120) == "then"
