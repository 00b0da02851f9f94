"""How long results are kept."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.errors import JobResultExpired
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from tests.fifo import Fifo
from tests.waiting import until

METHODS = ["fork", "thread"]


def submit(executor: JobExecutor, function: Any, retain: Any, method: str = "fork") -> Any:
    options = JobOptions(start_method=method, retain=retain)
    return executor.submit_function(options, function, (), {})


def until_expired(future: Any) -> None:
    until(lambda: future._job.expired is not None)


def speak() -> str:
    print("spoken")
    return "value"


@pytest.mark.parametrize("method", METHODS)
def test_a_timer_ends_it_without_any_call(executor: JobExecutor, method: str) -> None:
    future = submit(executor, speak, "0.05s", method)
    until_expired(future)
    with pytest.raises(JobResultExpired, match=r"kept for 0\.05 s|kept for 50 ms"):
        future.result()


@pytest.mark.parametrize("method", METHODS)
def test_a_failed_job_expires_too(executor: JobExecutor, method: str) -> None:
    future = submit(executor, lambda: 1 / 0, "0.05s", method)
    until_expired(future)
    with pytest.raises(JobResultExpired) as caught:
        future.result()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_cancelled_job_expires_too(executor: JobExecutor, tmp_path: Path) -> None:
    future = submit(executor, Fifo(tmp_path / "held").hear, "0.05s")
    future.cancel()
    until_expired(future)
    assert future.status is JobStatus.CANCELED


def test_zero_means_as_soon_as_it_has_ended(executor: JobExecutor) -> None:
    until_expired(submit(executor, speak, "0s"))


def test_the_log_and_the_values_go_and_the_record_stays(executor: JobExecutor) -> None:
    future = submit(executor, speak, "0.05s")
    until_expired(future)
    until(lambda: not future._job.directory.joinpath("output.log").exists())
    assert "spoken" not in future.logs()
    assert future._job.values is None
    info = future.get_info()
    assert info.status is JobStatus.COMPLETED
    assert info.completion_time is not None
    with pytest.raises(JobResultExpired):
        future.outputs


def test_it_counts_from_the_end_and_not_from_the_start(
    executor: JobExecutor, tmp_path: Path
) -> None:
    held = Fifo(tmp_path / "held")
    future = submit(executor, held.hear, "0.05s")
    assert not future.wait(0.1)
    assert future._job.expired is None
    still_runs_at = time.monotonic()
    held.say("heard")
    until_expired(future)
    assert time.monotonic() - still_runs_at >= 0.05


@pytest.mark.parametrize("retain", [None, "forever"])
def test_a_job_may_be_kept_for_ever(executor: JobExecutor, retain: Any) -> None:
    future = submit(executor, speak, retain)
    assert future.result(120) == "value"
    assert future._job.spec.retention_s is None


def test_the_default_is_the_sessions(executor: JobExecutor) -> None:
    executor._policy.retention_duration = "90s"
    assert executor.submit(speak)._job.spec.retention_s == 90


def test_purging_drops_the_value_at_once(executor: JobExecutor) -> None:
    class Big:
        pass

    future = submit(executor, Big, None, "thread")
    reference = weakref.ref(future.result(120))
    future.purge()
    until(lambda: gc.collect() is not None and reference() is None)
    assert reference() is None
    with pytest.raises(JobResultExpired, match="purged"):
        future.result()


def test_a_running_job_can_not_be_purged(executor: JobExecutor) -> None:
    release = threading.Event()
    future = submit(executor, release.wait, None, "thread")
    with pytest.raises(RuntimeError, match="has not ended"):
        future.purge()
    release.set()
    assert future.wait(120)
