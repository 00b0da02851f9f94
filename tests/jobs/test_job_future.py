"""The user's handle on a job: a real future, and awaitable."""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, as_completed
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.errors import JobDiedError, JobResultExpired, JobTimeoutError, UnpicklableError
from caikit_nb.execution import destroyable_process
from caikit_nb.execution.fork_rule import why_not_fork
from caikit_nb.execution.standard_processes import start_process
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from tests.fifo import Fifo
from tests.waiting import until

METHODS = ["fork", "spawn", "forkserver", "thread"]
every_method = pytest.mark.parametrize("method", METHODS)


def run(executor: JobExecutor, method: str, function: Any, *args: Any, **options: Any) -> JobFuture:
    return executor.submit_function(JobOptions(start_method=method, **options), function, args, {})


def fail(text: str) -> None:
    raise ValueError(text)


@every_method
def test_a_value_comes_back(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, divmod, 7, 2)
    assert future.result(120) == (3, 1)
    assert future.exception() is None
    assert future.status is JobStatus.COMPLETED
    assert (future.done(), future.running(), future.cancelled()) == (True, False, False)


@every_method
def test_the_jobs_own_error_comes_back(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, fail, "no rate")
    with pytest.raises(ValueError, match=r"^no rate$"):
        future.result(120)
    assert future.status is JobStatus.ERRORED
    (error,) = future.get_info().errors or []
    assert (type(error), str(error)) == (ValueError, "no rate")


@pytest.mark.parametrize("method", ["fork", "thread"])
def test_a_cancelled_job_reads_canceled_at_once_and_for_ever(
    executor: JobExecutor, method: str
) -> None:
    entered, never = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        while True:
            never.wait(0.01)

    future = run(executor, method, wait)
    if method == "thread":
        entered.wait(120)
    assert future.cancel()
    assert future.status is JobStatus.CANCELED
    with pytest.raises(CancelledError):
        future.result()
    assert future.wait(120)
    assert future.status is JobStatus.CANCELED
    assert (future.cancelled(), future.cancel()) == (True, True)


@every_method
def test_cancelling_at_any_moment_ends_the_job(executor: JobExecutor, method: str) -> None:
    for _ in range({"thread": 300, "fork": 30}.get(method, 3)):
        future = run(executor, method, int)
        cancelled = future.cancel()
        assert future.wait(120)
        assert future.status is (JobStatus.CANCELED if cancelled else JobStatus.COMPLETED)


def test_cancelling_a_finished_job_changes_nothing(executor: JobExecutor) -> None:
    future = run(executor, "fork", int)
    future.result(120)
    assert not future.cancel()
    assert future.result() == 0


def test_an_interrupt_may_be_survived(executor: JobExecutor, tmp_path: Path, held: Fifo) -> None:
    ready = Fifo(tmp_path / "ready")

    def patient() -> str:
        try:
            ready.say()
            return held.hear()
        except KeyboardInterrupt:
            return "interrupted"

    future = run(executor, "fork", patient)
    ready.hear()
    assert future.interrupt()
    assert future.result(120) == "interrupted"
    assert not future.interrupt()


def test_waiting_can_time_out(executor: JobExecutor, held: Fifo) -> None:
    future = run(executor, "fork", held.hear)
    assert not future.wait(0.01)
    with pytest.raises(TimeoutError):
        future.result(0.01)
    with pytest.raises(TimeoutError):
        future.exception(0.01)
    held.say("word")
    assert future.result(120) == "word"


def test_a_timeout_ends_the_job_with_its_own_error(executor: JobExecutor, held: Fifo) -> None:
    future = run(executor, "fork", held.hear, timeout="0.05s")
    with pytest.raises(JobTimeoutError, match=r"0\.05 s"):
        future.result(120)
    assert future.status is JobStatus.ERRORED


def test_a_death_is_explained_with_the_last_lines(executor: JobExecutor) -> None:
    future = run(executor, "fork", lambda: (print("the last line"), os._exit(3)))
    with pytest.raises(JobDiedError, match="exited with code 3") as caught:
        future.result(120)
    assert "the last line" in str(caught.value)
    assert future.get_info().exit_code == 3


def test_sys_exit_in_a_job_is_its_error(executor: JobExecutor) -> None:
    future = run(executor, "thread", sys.exit, "bad path")
    assert isinstance(future.exception(120), SystemExit)


@every_method
def test_prints_are_the_jobs_log(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, print, "hello")
    assert future.wait(120)
    assert future.logs() == "hello\n"


def test_times_are_aware_and_in_order(executor: JobExecutor) -> None:
    future = run(executor, "fork", int)
    future.result(120)
    info = future.get_info()
    times = [info.submission_time, info.start_time, info.completion_time]
    assert all(t is not None and t.tzinfo is datetime.UTC for t in times)
    assert times == sorted(times)  # type: ignore[type-var]
    assert future.completion_time == info.completion_time


def test_callbacks_run_outside_the_watchers_thread(executor: JobExecutor) -> None:
    names, called = [], threading.Event()
    future = run(executor, "fork", int)
    future.add_done_callback(
        lambda f: (names.append(threading.current_thread().name), called.set())
    )
    assert called.wait(120)
    assert names[0] in ("caikit_nb callbacks", "MainThread")


def test_a_blocking_callback_does_not_stop_other_jobs(executor: JobExecutor, held: Fifo) -> None:
    release = threading.Event()
    first = run(executor, "fork", held.hear)
    first.add_done_callback(lambda _: release.wait(120))
    held.say()
    assert first.wait(120)
    assert run(executor, "spawn", int).result(120) == 0
    over = threading.Event()
    first.add_done_callback(lambda _: over.set())
    release.set()
    assert over.wait(120)
    until(lambda: why_not_fork() is None, "the callback's return")  # the next test forks


def test_a_callback_that_exits_does_not_stop_later_ones(executor: JobExecutor, held: Fifo) -> None:
    called = threading.Event()
    first, second = (run(executor, "fork", held.hear) for _ in range(2))
    first.add_done_callback(lambda _: sys.exit())
    second.add_done_callback(lambda _: called.set())
    first.cancel()
    second.cancel()
    assert called.wait(120)


def test_as_completed_and_wait_work(executor: JobExecutor) -> None:
    futures = [run(executor, "fork", abs, -n) for n in range(5)]
    assert sorted(f.result() for f in as_completed(futures, timeout=180)) == [0, 1, 2, 3, 4]
    done = concurrent.futures.wait(futures, timeout=180)
    assert (len(done.done), len(done.not_done)) == (5, 0)


def fail_with(error: BaseException) -> None:
    raise error


class EmptyError(Exception):
    """One that counts as false."""

    def __len__(self) -> int:
        return 0


async def awaited(future: JobFuture) -> Any:
    return await asyncio.wait_for(future, 20)


async def wrapped(future: JobFuture) -> Any:
    return await asyncio.wait_for(asyncio.wrap_future(future), 20)


async def gathered(future: JobFuture) -> Any:
    (value,) = await asyncio.gather(awaited(future))
    return value


def by_asyncio(reader: Callable[[JobFuture], Coroutine[Any, Any, Any]]) -> Reader:
    return lambda future: asyncio.run(reader(future))


def as_completed_gives(future: JobFuture) -> Any:
    return next(as_completed([future], timeout=180)).result()


Reader = Callable[[JobFuture], Any]
# Whoever knows a standard future only, and what we say of it ourselves.
READERS: dict[str, Reader] = {
    "result": lambda future: future.result(120),
    "standard_result": lambda future: concurrent.futures.Future.result(future, 20),
    "as_completed": as_completed_gives,
    **{each.__name__: by_asyncio(each) for each in (awaited, wrapped, gathered)},
}
every_reader = pytest.mark.parametrize("read", READERS.values(), ids=READERS)


@every_reader
@pytest.mark.parametrize("method", ["fork", "thread"])
def test_every_reader_gets_the_value(executor: JobExecutor, method: str, read: Reader) -> None:
    future = run(executor, method, abs, -3)
    assert read(future) == 3
    assert read(future) == 3


@every_reader
@pytest.mark.parametrize("error", [ValueError("x"), SystemExit("x")], ids=repr)
def test_every_reader_gets_the_jobs_error(
    executor: JobExecutor, error: BaseException, read: Reader
) -> None:
    future = run(executor, "fork", fail_with, error)
    assert future.wait(120)
    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            read(future)
        assert caught.value.args == ("x",)
        assert "in fail_with" in str(caught.value.__cause__)


def test_an_error_that_counts_as_false_is_one_all_the_same(executor: JobExecutor) -> None:
    future = run(executor, "fork", fail_with, EmptyError("x"))
    with pytest.raises(EmptyError):
        future.result(120)
    assert isinstance(future.exception(), EmptyError)
    with pytest.raises(EmptyError):
        asyncio.run(awaited(future))


@every_reader
def test_every_reader_gets_a_value_that_can_not_cross_as_that_error(
    executor: JobExecutor, read: Reader
) -> None:
    future = run(executor, "fork", threading.Lock)
    with pytest.raises(UnpicklableError, match="the result can't be pickled"):
        read(future)
    assert isinstance(future.exception(), UnpicklableError)
    assert isinstance(concurrent.futures.Future.exception(future), UnpicklableError)


@every_reader
def test_every_reader_is_told_of_an_expired_result(executor: JobExecutor, read: Reader) -> None:
    future = run(executor, "thread", int)
    assert read(future) == 0
    future.purge()
    with pytest.raises(JobResultExpired):
        read(future)


@every_reader
def test_every_reader_is_told_of_a_cancelled_job(
    executor: JobExecutor, held: Fifo, read: Reader
) -> None:
    future = run(executor, "fork", held.hear)
    assert future.cancel()
    with pytest.raises((CancelledError, asyncio.CancelledError)):
        read(future)


@pytest.mark.parametrize("wait", [awaited, wrapped])
def test_what_ends_while_it_is_awaited_gives_its_value(
    executor: JobExecutor, held: Fifo, wait: Callable[[JobFuture], Any]
) -> None:
    async def main() -> Any:
        waiting = asyncio.ensure_future(wait(run(executor, "fork", held.hear)))
        await asyncio.sleep(0)
        await asyncio.to_thread(held.say, "word")
        return await waiting

    assert asyncio.run(main()) == "word"


def test_one_who_waits_for_the_first_error_is_told_of_it(executor: JobExecutor, held: Fifo) -> None:
    running, failing = run(executor, "fork", held.hear), run(executor, "fork", fail, "x")
    done, others = concurrent.futures.wait(
        [running, failing], 20, return_when=concurrent.futures.FIRST_EXCEPTION
    )
    assert (done, others) == ({failing}, {running})
    held.say()
    assert running.wait(120)


def test_giving_up_an_await_does_not_end_the_job(executor: JobExecutor, held: Fifo) -> None:
    future = run(executor, "fork", held.hear)

    async def main() -> None:
        await asyncio.wait_for(future, 0.01)

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert future.status is JobStatus.RUNNING
    held.say("on")
    assert future.result(120) == "on"


def test_the_futures_words_are_few(executor: JobExecutor) -> None:
    future = run(executor, "thread", int, name="train")
    assert future.wait(120)
    assert repr(future) == "<JobFuture train: completed>"
    assert (future.name, future.start_method, future.save_path) == ("train", "thread", None)


def catch_the_interrupt(held: Fifo) -> str:
    try:
        held.hear()
    except KeyboardInterrupt:
        return "returned all the same"
    return "was let go"


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_a_job_past_its_timeout_failed_even_if_it_returns(
    executor: JobExecutor, method: str, held: Fifo
) -> None:
    future = run(executor, method, catch_the_interrupt, held, timeout=0.3)
    assert isinstance(future.exception(120), JobTimeoutError)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_cancel_does_not_wait_for_an_interpreter_that_is_starting(
    executor: JobExecutor, method: str, held: Fifo, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts, goes_on = threading.Event(), threading.Event()

    def start_slowly(method: str, process: Any) -> Any:
        starts.set()
        assert goes_on.wait(120)
        return start_process(method, process)

    monkeypatch.setattr(destroyable_process, "start_process", start_slowly)
    future = run(executor, method, held.hear)
    assert starts.wait(120)
    assert future.cancel()
    assert future.status is JobStatus.CANCELED
    assert not future.wait(0)
    goes_on.set()
    assert future.wait(120)
    assert future.status is JobStatus.CANCELED


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_an_interpreter_that_is_just_starting_is_ended_with_its_job(
    executor: JobExecutor, method: str, held: Fifo
) -> None:
    for _ in range(5):
        future = run(executor, method, held.hear)
        assert future.cancel()
        assert future.wait(120)
        assert future.status is JobStatus.CANCELED
