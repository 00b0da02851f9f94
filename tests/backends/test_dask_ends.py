"""A job that loses its worker, scheduler or kernel on a Dask cluster ends in an honest way."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import caikit_nb
from caikit_nb.errors import JobLost
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from tests.backends.dask_cluster import ROOT, Cluster, cluster
from tests.lazy import Lazy
from tests.waiting import WAIT_S, until

dask_backend = Lazy("caikit_nb.backends.dask_backend")


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path, 1) as running:
        yield running


@pytest.fixture
def executor(workers: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobExecutor]:
    monkeypatch.setenv("CAIKIT_NB_DIR", str(workers.home / "sessions"))
    config = {"address": workers.address, "unreachable_s": 3}
    with JobExecutor(backend=dask_backend.DaskBackend(config)) as executor:
        yield executor
        executor.close()


def stay(started: str, seconds: float = 1000.0) -> str:
    """Write down that it runs and its pid, and stay."""
    with open(started, "a") as file:
        file.write(f"{os.getpid()}\n")
    print("here", flush=True)
    time.sleep(seconds)
    return "done"


def running(
    executor: JobExecutor, started: Path, seconds: float = 1000.0, **more: int
) -> JobFuture:
    future = executor.submit_function(JobOptions(**more), stay, (str(started), seconds), {})
    until(lambda: future.logs() == "here\n", "the job to run")
    return future


def pids(started: Path) -> list[int]:
    return [int(line) for line in started.read_text().split()]


def test_a_killed_worker_loses_its_job_which_ran_once(
    executor: JobExecutor, workers: Cluster, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    future = running(executor, started)
    workers.workers[0].kill()
    workers.add_worker()  # Dask runs the task anew there
    with pytest.raises(JobLost, match="the outcome is unknown"):
        future.result(WAIT_S)
    assert future.status is JobStatus.ERRORED
    after = executor.submit(os.getpid)  # a whole job later the lost one has still run once only
    assert after.result(WAIT_S)
    (pid,) = pids(started)
    until(lambda: not psutil.pid_exists(pid), "the guard to end the job")


def test_a_killed_worker_that_none_replaces_is_noticed_soon(
    executor: JobExecutor, workers: Cluster, tmp_path: Path
) -> None:
    executor._backends.get("dask")._line._unreachable_s = 120.0  # type: ignore[attr-defined]
    future = running(executor, tmp_path / "started")
    workers.workers[0].kill()
    with pytest.raises(JobLost, match=r"its worker .* was lost: the outcome is unknown"):
        future.result(WAIT_S)


@pytest.mark.slow
def test_a_job_with_retries_runs_again_on_another_worker(
    executor: JobExecutor, workers: Cluster, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    future = running(executor, started, retries=1)
    workers.workers[0].kill()
    workers.add_worker()
    until(lambda: len(pids(started)) == 2, "the second attempt")
    assert future.get_info().attempt == 2
    assert "JobLost: its worker" in future._job.attempts[0].reason
    future.cancel()


@pytest.mark.slow
def test_a_stopped_worker_is_told_on_the_card_and_goes_on(
    executor: JobExecutor, workers: Cluster, tmp_path: Path
) -> None:
    workers_pid = workers.workers[0].pid
    executor._backends.get("dask")._line._unreachable_s = 120.0  # type: ignore[attr-defined]
    future = running(executor, tmp_path / "started", 1.0)
    os.kill(workers_pid, signal.SIGSTOP)
    try:
        until(lambda: "unreachable since" in future._job.attempt.remark, "the remark")
        assert future.status is JobStatus.RUNNING
    finally:
        os.kill(workers_pid, signal.SIGCONT)
    assert future.result(WAIT_S) == "done"
    assert future._job.attempt.remark == ""


def test_a_scheduler_that_is_gone_loses_its_jobs_and_cancels_none(
    executor: JobExecutor, workers: Cluster, tmp_path: Path
) -> None:
    future = running(executor, tmp_path / "started")
    workers.scheduler.kill()
    until(lambda: "unreachable since" in future._job.attempt.remark, "the remark")
    with pytest.raises(JobLost, match="the outcome is unknown"):
        future.result(WAIT_S)
    assert future.status is JobStatus.ERRORED


@pytest.mark.slow
def test_a_lost_cluster_can_be_followed_by_another(
    executor: JobExecutor, workers: Cluster, tmp_path: Path
) -> None:
    future = running(executor, tmp_path / "started")
    workers.scheduler.kill()
    future.wait(WAIT_S)
    backend = executor._backends.get
    until(lambda: not executor._backends._backends["DASK"].is_started, "the client to give up")
    (tmp_path / "second").mkdir()
    with cluster(tmp_path / "second", 1) as second:
        executor._backends._backends["DASK"].register_config({"address": second.address})
        assert backend("dask").is_started
        assert executor.submit(len, "abc").result(WAIT_S) == 3


KERNEL = """
import os, sys, time
import caikit_nb
from caikit_nb.backends.dask_backend import DaskBackend
from tests.backends.test_dask_ends import stay
executor = caikit_nb.JobExecutor(backend=DaskBackend({"address": sys.argv[1], "reconnect_s": 1}))
future = executor.submit(stay, sys.argv[2])
while not future.logs():
    time.sleep(0.02)
print("runs", flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_kernel_that_ends_takes_its_jobs_along(
    workers: Cluster, tmp_path: Path, number: signal.Signals
) -> None:
    started = tmp_path / "started"
    kernel = subprocess.Popen(
        [sys.executable, "-c", KERNEL, workers.address, str(started)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CAIKIT_NB_DIR": str(tmp_path / "sessions")},
        cwd=ROOT,
    )
    with kernel:
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == b"runs\n"
        kernel.send_signal(number)
    (pid,) = pids(started)
    until(lambda: not psutil.pid_exists(pid), "the job's end")


def talk(number: int, count: int) -> int:
    """Print and report ten times a second."""
    for step in range(count):
        print(f"{number}.{step}", flush=True)
        caikit_nb.log_metric(step=step, height=step)
        time.sleep(0.1)
    return number


def test_what_jobs_tell_comes_in_order_and_once_across_a_reconnect(
    executor: JobExecutor, workers: Cluster
) -> None:
    jobs, count = 4, 30
    futures = [executor.submit(talk, number, count) for number in range(jobs)]
    until(lambda: all(future.logs() for future in futures), "all to run")
    client = executor._backends.get("dask")._client  # type: ignore[attr-defined]
    stream = client.scheduler_comm
    _break_connections(workers)
    until(lambda: client.scheduler_comm not in (None, stream), "the client to connect anew")
    assert [future.result(WAIT_S) for future in futures] == list(range(jobs))
    for number, future in enumerate(futures):
        assert future.logs() == "".join(f"{number}.{step}\n" for step in range(count))
        assert list(future.metrics["height"]) == [(step, step) for step in range(count)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fifty_jobs_tell_ten_things_a_second_each(executor: JobExecutor, workers: Cluster) -> None:
    count = 60
    for _ in range(7):  # of eight threads each
        workers.add_worker()
    workers.wait_for(8)
    futures = [executor.submit(talk, number, count) for number in range(50)]
    until(lambda: all(future.logs() for future in futures), "all to run", 180)
    _break_connections(workers)
    assert [future.result(120) for future in futures] == list(range(50))
    for number, future in enumerate(futures):
        assert future.logs() == "".join(f"{number}.{step}\n" for step in range(count))
        assert list(future.metrics["height"]) == [(step, step) for step in range(count)]


def _break_connections(workers: Cluster) -> None:
    """End this program's connections with the scheduler, as a router that forgets them does."""
    port = int(workers.address.rpartition(":")[2])
    own = psutil.Process()
    connections = getattr(own, "net_connections", None) or own.connections  # before psutil 6
    for connection in connections("tcp"):
        if connection.raddr and connection.raddr.port == port and connection.fd >= 0:
            # One that has just ended by itself is broken, too.
            with (
                contextlib.suppress(OSError),
                socket.socket(fileno=os.dup(connection.fd)) as broken,
            ):
                broken.shutdown(socket.SHUT_RDWR)


def test_a_result_leaves_nothing_on_the_cluster(executor: JobExecutor, workers: Cluster) -> None:
    future = executor.submit(bytes, 10_000_000)
    assert len(future.result(WAIT_S)) == 10_000_000
    client = executor._backends.get("dask")._client  # type: ignore[attr-defined]

    def left() -> str:
        held = client.run_on_scheduler(_tasks), client.run(_runs)
        return json.dumps([held[0], list(held[1].values())])

    until(lambda: left() == "[0, [0]]", "the cluster to forget it")


def _tasks(dask_scheduler: object) -> int:
    return len(dask_scheduler.tasks)  # type: ignore[attr-defined]


def _runs(dask_worker: object) -> int:
    from caikit_nb.backends import dask_task

    return len(dask_task._stations[dask_worker]._runs)  # type: ignore[index]
