"""However a job on a Ray cluster loses its worker, head or kernel, its end is told honestly."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

if importlib.util.find_spec("ray") is None:
    pytest.skip("RAY IS NOT INSTALLED: see make test-cluster", allow_module_level=True)

from caikit_nb.backends.ray_backend import RayBackend
from caikit_nb.errors import BackendError, JobLost
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from tests.backends.ray_cluster import ROOT, ray_cluster
from tests.waiting import WAIT_S, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ray_cluster("--resources", '{"tape": 1}') as address:
        yield address


@pytest.fixture
def executor(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[JobExecutor]:
    monkeypatch.setenv("CAIKIT_NB_DIR", str(tmp_path / "sessions"))
    with JobExecutor(backend=RayBackend({"address": address})) as executor:
        yield executor
        executor.close()


def stay(started: str) -> None:
    """Write down that it runs, start a daemon, and stay."""
    daemon = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    with open(started, "a") as file:
        file.write(f"{os.getpid()} {os.getppid()} {daemon.pid}\n")
    print("here", flush=True)
    time.sleep(1000)


def running(executor: JobExecutor, started: Path) -> JobFuture:
    future = executor.submit(stay, str(started))
    until(lambda: future.logs() == "here\n", "the job to run")
    return future


def pids(started: Path) -> list[int]:
    return [int(word) for word in started.read_text().split()]


def ended(started: Path) -> Callable[[], bool]:
    job, _, daemon = pids(started)
    return lambda: not psutil.pid_exists(job) and not psutil.pid_exists(daemon)


def test_ray_is_not_in_the_kernel(executor: JobExecutor) -> None:
    assert executor.submit(len, "abc").result(WAIT_S) == 3
    assert "ray" not in sys.modules


def test_a_cancelled_job_ends_with_all_that_it_started(
    executor: JobExecutor, tmp_path: Path
) -> None:
    future = running(executor, tmp_path / "started")
    future.cancel()
    until(ended(tmp_path / "started"), "the job's end")
    assert future.status is JobStatus.CANCELED


def test_a_killed_actor_is_a_lost_job_that_ran_once(executor: JobExecutor, tmp_path: Path) -> None:
    future = running(executor, tmp_path / "started")
    os.kill(pids(tmp_path / "started")[1], signal.SIGKILL)
    with pytest.raises(JobLost, match="the outcome is unknown"):
        future.result(WAIT_S)
    assert executor.submit(len, "abc").result(WAIT_S) == 3
    until(ended(tmp_path / "started"), "the job's end")


def test_what_can_not_be_had_is_refused(executor: JobExecutor) -> None:
    for options, says in (
        (JobOptions(resources={"tape": 2}), "--resources tape=2: no node has that much"),
        (JobOptions(on="nobody"), "--on nobody: there is no such node"),
    ):
        with pytest.raises(BackendError, match=says):
            executor.submit_function(options, len, ("abc",), {})
    future = executor.submit_function(JobOptions(resources={"tape": 1}), len, ("abc",), {})
    assert future.result(WAIT_S) == 3


def test_where_nobody_answers_is_said_soon() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(BackendError, match=f"no Ray cluster answers at {address} within 5 s"):
            RayBackend({"address": address}).start()


KERNEL = """
import sys, time
import caikit_nb
from caikit_nb.backends.ray_backend import RayBackend
from tests.backends.test_ray_ends import stay
executor = caikit_nb.JobExecutor(backend=RayBackend({"address": sys.argv[1]}))
future = executor.submit(stay, sys.argv[2])
while not future.logs():
    time.sleep(0.02)
print("runs", flush=True)
time.sleep(1000)
"""


def test_a_killed_kernel_takes_its_jobs_along(address: str, tmp_path: Path) -> None:
    kernel = subprocess.Popen(
        [sys.executable, "-c", KERNEL, address, str(tmp_path / "started")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CAIKIT_NB_DIR": str(tmp_path / "sessions")},
        cwd=ROOT,
    )
    with kernel:
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == b"runs\n"
        kernel.kill()
    until(ended(tmp_path / "started"), "the job's end")


def test_a_lost_head_loses_its_jobs_and_not_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAIKIT_NB_DIR", str(tmp_path / "sessions"))
    with ray_cluster() as address:
        executor = JobExecutor(backend=RayBackend({"address": address}))
        future = running(executor, tmp_path / "started")
        for process in psutil.process_iter(["cmdline"]):
            command = " ".join(process.info["cmdline"] or [])
            port = address.rpartition(":")[2]
            if "gcs_server" in command and f"--gcs_server_port={port}" in command:
                process.kill()
        with pytest.raises(JobLost):
            future.result(200)
        assert future.status is JobStatus.ERRORED
        executor.close()
