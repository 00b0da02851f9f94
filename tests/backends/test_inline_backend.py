"""Tasks in the thread that releases them."""

from __future__ import annotations

import _thread
import io
import pdb  # noqa: T100 - an inline job is there to be debugged
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.backends import InlineBackend
from caikit_nb.backends.base import Task
from caikit_nb.execution.call import Call, function_inputs, run_function
from caikit_nb.execution.outcome import Died, Raised, Returned
from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from caikit_nb.testing.heard import Heard


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("CAIKIT_NB_DIR", str(tmp_path / "sessions"))
    made = JobExecutor(max_workers=1, backend="inline")
    yield made
    made.close()


def take(function: Any, *args: Any) -> tuple[Any, Heard]:
    heard = Heard()
    task = Task("test", Call(run_function, function_inputs(function, args)), "thread")
    return InlineBackend().submit(task, heard), heard


def run(function: Any, *args: Any) -> Heard:
    running, heard = take(function, *args)
    running.release()
    return heard


def submit(executor: JobExecutor, function: Any, **options: Any) -> JobFuture:
    return executor.submit_function(JobOptions(**options), function, (), {})


def test_a_task_runs_in_the_thread_that_releases_it() -> None:
    assert run(threading.get_ident).value() == threading.get_ident()


def test_its_end_was_heard_when_release_returns() -> None:
    heard = run(abs, -3)
    assert [type(outcome) for outcome in heard.outcomes] == [Returned]


def test_a_value_is_the_very_object() -> None:
    value = object()
    assert run(lambda: value).value() is value


def test_an_error_is_the_very_object_with_the_users_own_frames() -> None:
    def fail() -> None:
        raise LookupError("here")

    error, _ = run(fail).error()
    frames = []
    at = error.__traceback__
    while at is not None:
        frames.append(at.tb_frame.f_code.co_name)
        at = at.tb_next
    assert frames[-1] == "fail"


def test_its_prints_are_the_tasks_and_nobody_elses(capsys: pytest.CaptureFixture[str]) -> None:
    heard = run(print, "inside")
    print("outside")
    assert heard.text() == "inside\n"
    assert capsys.readouterr().out == "outside\n"


def test_what_a_debugger_says_is_shown_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    def debugged() -> int:
        secret = 42
        print("before")
        debugger = pdb.Pdb(stdin=io.StringIO("p secret + 1\nc\n"), nosigint=True, readrc=False)
        debugger.use_rawinput = False
        debugger.set_trace()
        return secret

    heard = run(debugged)
    assert heard.value() == 42
    shown = capsys.readouterr().out
    assert "(Pdb) 43\n" in shown
    assert "before" not in shown
    assert heard.text().startswith("before\n")


def test_a_second_release_runs_nothing() -> None:
    calls: list[int] = []
    running, heard = take(calls.append, 1)
    running.release()
    running.release()
    assert (calls, len(heard.outcomes)) == ([1], 1)


def test_a_task_ended_before_its_release_is_heard_of_once() -> None:
    calls: list[int] = []
    running, heard = take(calls.append, 1)
    running.end()
    running.end(at_once=True)
    running.release()
    assert isinstance(heard.outcome(), Died)
    assert (calls, len(heard.outcomes)) == ([], 1)


def test_an_interrupt_of_the_kernel_is_the_tasks_error() -> None:
    running, heard = take(signal.raise_signal, signal.SIGINT)
    running.release()
    (outcome,) = heard.outcomes
    assert isinstance(outcome, Raised)
    assert isinstance(outcome.error, KeyboardInterrupt)


def test_nothing_is_raised_in_the_caller_once_the_task_is_over() -> None:
    running, heard = take(abs, -3)
    running.release()
    running.interrupt()
    running.end()
    for _ in range(1000):
        sys.getsizeof(running)
    assert heard.value() == 3


def test_a_task_released_in_the_watchers_thread_runs_in_another() -> None:
    running, heard = take(watcher.runs_here)
    watcher.call_soon(running.release)
    assert heard.value() is False


def test_a_job_has_ended_when_submit_returns(executor: JobExecutor) -> None:
    future = submit(executor, threading.get_ident)
    assert future.status is JobStatus.COMPLETED
    assert future.done()
    assert future.result(0) == threading.get_ident()


def test_an_error_is_kept_and_not_raised_by_submit(executor: JobExecutor) -> None:
    error = LookupError("kept")

    def fail() -> None:
        raise error

    future = submit(executor, fail)
    assert future.exception(0) is error
    assert future.status is JobStatus.ERRORED


def test_all_attempts_run_in_the_callers_thread(executor: JobExecutor) -> None:
    threads: list[int] = []

    def fail_twice() -> int:
        threads.append(threading.get_ident())
        if len(threads) < 3:
            raise ConnectionError
        return len(threads)

    future = submit(executor, fail_twice, retries=3)
    assert future.done()
    assert future.result(0) == 3
    assert set(threads) == {threading.get_ident()}


def test_a_job_may_submit_another_one(executor: JobExecutor) -> None:
    executor._policy.max_workers = 2
    future = submit(executor, lambda: submit(executor, threading.get_ident).result(120))
    assert future.result(0) == threading.get_ident()


def test_a_job_that_had_to_wait_runs_when_its_turn_comes(executor: JobExecutor) -> None:
    entered, release = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        release.wait(120)

    other = threading.Thread(target=submit, args=(executor, hold))
    other.start()
    assert entered.wait(120)
    future = submit(executor, threading.get_ident)
    assert future.status is JobStatus.QUEUED
    release.set()
    assert future.result(120) not in (threading.get_ident(), watcher._thread)
    other.join(120)


def test_a_job_that_cancels_itself_is_cancelled(executor: JobExecutor) -> None:
    def cancel() -> None:
        executor.registry["me"].cancel()
        while True:
            threading.Event().wait(0.001)

    future = submit(executor, cancel, name="me")
    assert future.status is JobStatus.CANCELED
    assert future.wait(120)


def test_a_job_can_be_interrupted_from_another_thread(executor: JobExecutor) -> None:
    entered = threading.Event()

    def stay() -> None:
        entered.set()
        while True:
            threading.Event().wait(0.001)

    def interrupt() -> None:
        entered.wait(120)
        executor.registry["me"].interrupt()

    _thread.start_new_thread(interrupt, ())
    future = submit(executor, stay, name="me")
    assert isinstance(future.exception(0), KeyboardInterrupt)
