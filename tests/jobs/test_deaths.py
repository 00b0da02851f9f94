"""What a job says of its process's death is what is known, and a cancel is no death."""

from __future__ import annotations

import os
import re
import signal
import sys
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.errors import JobDiedError
from caikit_nb.execution.watcher import stillness
from caikit_nb.jobs.executor import JobExecutor, JobOptions
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.states import JobStatus
from tests.execution.test_destroyable_process import kill_myself
from tests.fifo import Fifo
from tests.waiting import is_gone_within

every_method = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
LONGEST_S = 180


def submit(executor: JobExecutor, method: str, function: Any, *args: Any) -> JobFuture:
    return executor.submit_function(JobOptions(start_method=method), function, args, {})


def death_of(future: JobFuture) -> str:
    error = future.exception(LONGEST_S)
    assert isinstance(error, JobDiedError)
    assert future.status is JobStatus.ERRORED
    return str(error)


@every_method
@pytest.mark.parametrize("code", [9, 137, 3, 255])
def test_an_exit_code_is_named_and_not_called_out_of_memory(
    executor: JobExecutor, method: str, code: int
) -> None:
    text = death_of(submit(executor, method, os._exit, code))
    assert f"exited with code {code} " in text
    assert "memory" not in text


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_is_named_and_not_called_out_of_memory(
    executor: JobExecutor, number: signal.Signals
) -> None:
    text = death_of(submit(executor, "fork", kill_myself, number))
    assert f"killed by {number.name} (signal {int(number)})" in text
    assert "memory" not in text
    assert "caikit_nb" not in text


def defy(ready: Fifo, held: Fifo) -> None:
    """Ignores whatever can be ignored, and so does the one that it starts."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    child = os.fork()
    if child:
        ready.say(f"{os.getpid()} {child}")
    held.hear()


@every_method
def test_a_job_that_ignores_signals_is_canceled_at_once_and_ends_with_its_children(
    executor: JobExecutor, method: str, tmp_path: Path
) -> None:
    ready, held = Fifo(tmp_path / "ready"), Fifo(tmp_path / "held")
    future = submit(executor, method, defy, ready, held)
    pids = [int(pid) for pid in ready.hear().split()]
    with stillness.wanted():  # nothing is ended meanwhile, so it can't wait for that
        assert future.cancel()
        assert future.status is JobStatus.CANCELED
    with pytest.raises(CancelledError):
        future.result(LONGEST_S)
    assert future.wait(LONGEST_S)
    assert all(is_gone_within(pid) for pid in pids)
    assert future.status is JobStatus.CANCELED
    assert not future.get_info().errors


@every_method
def test_an_error_of_300_kb_ends_its_job(executor: JobExecutor, method: str) -> None:
    def fail() -> None:
        raise ValueError("y" * 300_000)

    future = submit(executor, method, fail)
    with pytest.raises(ValueError, match=re.compile("^y{300000}$")):
        future.result(LONGEST_S)
    assert future.status is JobStatus.ERRORED


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver", "thread"])
@pytest.mark.parametrize("code", [None, 0, "bad data path", 3])
def test_sys_exit_completes_a_job_only_where_it_means_success(
    executor: JobExecutor, method: str, code: Any
) -> None:
    future = submit(executor, method, sys.exit, code)
    if code in (None, 0):
        assert future.result(LONGEST_S) is None
        assert future.status is JobStatus.COMPLETED
        return
    with pytest.raises(SystemExit, match=f"^{code}$"):
        future.result(LONGEST_S)
    assert future.status is JobStatus.ERRORED
    (error,) = future.get_info().errors or []
    assert str(error) == str(code)


def close_all(path: str) -> None:
    """As daemons do; a file that is opened afterwards gets the number of one that was ours."""
    os.closerange(3, 4096)
    for number in range(64):
        open(f"{path}{number}", "wb", 0)  # noqa: SIM115 - left to the job's end


@every_method
def test_code_that_closes_what_it_has_not_opened_is_told_so(
    executor: JobExecutor, method: str, tmp_path: Path
) -> None:
    future = submit(executor, method, close_all, str(tmp_path / "own"))
    assert "exited with code 1 before it gave a result" in death_of(future)
    assert "closed descriptors that it had not opened" in future.logs()
    assert "Traceback" not in future.logs()
    assert {path.stat().st_size for path in tmp_path.glob("own*")} == {0}
