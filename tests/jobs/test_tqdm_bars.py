"""Plain tqdm inside a job draws on the job's card."""

from __future__ import annotations

import io
import os
import threading
import time
from typing import Any

import pytest
import tqdm as tqdm_package
import tqdm.auto
from tqdm import tqdm, trange

import caikit_nb
from caikit_nb.jobs import tqdm_bars
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.inside import CurrentJob, entered
from caikit_nb.jobs.options import JobOptions

METHODS = ["fork", "forkserver", "thread"]
every_method = pytest.mark.parametrize("method", METHODS)


def run(executor: JobExecutor, method: str, function: Any) -> Any:
    future = executor.submit_function(JobOptions(start_method=method), function, (), {})
    assert future.wait(120)
    future.result()
    return future


def nested() -> None:
    for _ in trange(3, desc="outer"):
        for _ in tqdm(range(4), desc="inner", leave=False):
            pass


def one_bar() -> None:
    for _ in tqdm_package.auto.tqdm(range(7), desc="auto"):
        pass


def by_progress() -> int:
    return sum(caikit_nb.progress(iter(range(5)), total=5, desc="ours"))


def to_a_file() -> str:
    file = io.StringIO()
    for _ in tqdm(range(3), file=file):
        pass
    return file.getvalue()


@every_method
def test_a_bar_reaches_the_job(executor: JobExecutor, method: str) -> None:
    (bar,) = run(executor, method, one_bar).progress
    assert (bar.desc, bar.n, bar.total, bar.closed) == ("auto", 7, 7, True)


@every_method
def test_nested_bars_leave_the_outer_one(executor: JobExecutor, method: str) -> None:
    (bar,) = run(executor, method, nested).progress
    assert (bar.desc, bar.n, bar.position) == ("outer", 3, 0)


def test_an_inner_bar_is_shown_below_the_outer_one() -> None:
    with job_line() as sent, tqdm(total=2, desc="outer"), tqdm(total=3, desc="inner"):
        pass
    positions = {bar["desc"]: bar["position"] for m in sent for bar in m["bars"]}
    assert positions == {"outer": 0, "inner": 1}


def test_bars_of_jobs_that_run_at_once_stand_by_themselves(executor: JobExecutor) -> None:
    """Also those of threads, which share tqdm's count of lines."""
    executor._policy.max_workers = 3
    all_open = threading.Barrier(3)

    def two_bars() -> None:
        with tqdm(total=1, desc="outer") as outer, tqdm(total=1, desc="inner") as inner:
            all_open.wait(120)
            inner.update()
            outer.update()
            all_open.wait(120)

    options = JobOptions(start_method="thread")
    futures = [executor.submit_function(options, two_bars, (), {}) for _ in range(3)]
    for future in futures:
        future.result(120)
        told = [(bar.desc, bar.n, bar.position, bar.closed) for bar in future.progress]
        assert told == [("outer", 1, 0, True)]


def test_a_bar_of_the_parent_is_not_above_those_of_a_forked_job(executor: JobExecutor) -> None:
    for _ in tqdm(range(1), file=io.StringIO()):
        (bar,) = run(executor, "fork", one_bar).progress
    assert (bar.desc, bar.n, bar.position, bar.closed) == ("auto", 7, 0, True)


@every_method
def test_nothing_of_a_bar_is_printed(executor: JobExecutor, method: str) -> None:
    assert run(executor, method, nested).logs() == ""


@every_method
def test_our_own_progress_draws_there_too(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, by_progress)
    assert future.result() == 10
    assert [(bar.desc, bar.n, bar.total) for bar in future.progress] == [("ours", 5, 5)]


@every_method
def test_a_bar_with_a_file_of_its_own_stays_what_it_is(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, to_a_file)
    assert "3/3" in future.result()
    assert future.progress == []


def test_a_bar_outside_jobs_stays_what_it_is() -> None:
    tqdm_bars.install()
    file = io.StringIO()
    for _ in tqdm(range(3), file=file):
        pass
    assert "3/3" in file.getvalue()


class job_line:  # noqa: N801 - used like a function
    """Inside, this thread is a job whose messages are kept."""

    def __enter__(self) -> list[Any]:
        tqdm_bars.install()
        sent: list[Any] = []

        class Port:
            def send(self, message: Any) -> None:
                sent.append(message)

        self._entered = entered(CurrentJob("id", "name"), Port(), own_process=False)
        self._entered.__enter__()
        return sent

    def __exit__(self, *error: Any) -> None:
        self._entered.__exit__(*error)


def test_ten_thousand_bars_are_few_messages() -> None:
    began = time.monotonic()
    with job_line() as sent:
        for number in range(10_000):
            tqdm(total=1, desc=str(number), leave=False, mininterval=0).close()
    # So many a second whatever happens, and a busy machine takes more of them.
    assert len(sent) <= 40 + 20 * (time.monotonic() - began)


def test_a_fast_loop_is_few_messages_and_its_end_is_exact() -> None:
    with job_line() as sent:
        for _ in tqdm(range(200_000), mininterval=0):
            pass
    assert len(sent) <= 40
    assert (sent[-1]["bars"][-1]["n"], sent[-1]["bars"][-1]["closed"]) == (200_000, True)


def test_a_disabled_bar_is_not_shown(executor: JobExecutor) -> None:
    assert run(executor, "thread", lambda: list(tqdm(range(3), disable=True))).progress == []


def test_a_job_killed_with_tqdms_lock_does_not_freeze_the_others(executor: JobExecutor) -> None:
    def die_with_the_lock() -> None:
        tqdm.get_lock().acquire()
        os.kill(os.getpid(), 9)

    tqdm.get_lock()
    options = JobOptions(start_method="fork")
    assert executor.submit_function(options, die_with_the_lock, (), {}).wait(120)
    loop = threading.Thread(target=lambda: list(tqdm(range(3), file=io.StringIO())), daemon=True)
    loop.start()
    loop.join(120)
    assert not loop.is_alive()
