"""Jobs that follow others."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from tests.waiting import until


def submit(executor: JobExecutor, function: Any, *after: JobFuture, **more: Any) -> JobFuture:
    options = JobOptions(start_method="thread", after=after, **more)
    return executor.submit_function(options, function, (), {})


def fail() -> None:
    raise ValueError("it failed")


def test_it_starts_when_the_others_have_completed(executor: JobExecutor) -> None:
    gates = [threading.Event(), threading.Event()]
    others = [submit(executor, gate.wait) for gate in gates]
    future = submit(executor, lambda: [other.status.name for other in others], *others)
    assert executor.queue.follows(future._job) == [other._job for other in others]
    assert executor.queue.place(future._job) is None
    gates[1].set()
    assert others[1].wait(120)
    assert future.status is JobStatus.QUEUED
    gates[0].set()
    assert future.result(120) == ["COMPLETED", "COMPLETED"]


def test_it_may_follow_one_that_has_completed_long_ago(executor: JobExecutor) -> None:
    other = submit(executor, int)
    assert other.wait(120)
    assert submit(executor, lambda: 6 * 7, other).result(120) == 42


def test_it_is_cancelled_if_one_of_them_fails(executor: JobExecutor) -> None:
    gate = threading.Event()
    waiting = submit(executor, gate.wait)
    failing = submit(executor, fail, name="first")
    future = submit(executor, int, waiting, failing)
    assert future.wait(120)
    assert future.status is JobStatus.CANCELED
    assert future.get_info().reason == "cancelled: it comes after job 'first', which failed"
    gate.set()


def test_it_is_cancelled_if_one_of_them_had_failed(executor: JobExecutor) -> None:
    failing = submit(executor, fail)
    assert failing.wait(120)
    future = submit(executor, int, failing)
    assert future.wait(120)
    assert future.status is JobStatus.CANCELED


def test_a_whole_chain_is_cancelled_with_its_beginning(executor: JobExecutor) -> None:
    gate = threading.Event()
    first = submit(executor, gate.wait, name="first")
    chain = [first]
    for _ in range(50):
        chain.append(submit(executor, int, chain[-1]))
    first.cancel()
    gate.set()
    assert all(future.wait(120) for future in chain)
    assert {future.status for future in chain} == {JobStatus.CANCELED}
    reason = "cancelled: it comes after job 'first', which was cancelled"
    assert chain[1].get_info().reason == reason


def test_it_does_not_hold_up_those_behind_it(executor: JobExecutor) -> None:
    executor._policy.max_workers = 1
    gate = threading.Event()
    first = submit(executor, gate.wait)
    second = submit(executor, fail, first)
    third = submit(executor, int, first)
    fourth = submit(executor, lambda: "not held up")
    assert executor.queue.place(fourth._job) == 1
    gate.set()
    assert fourth.result(120) == "not held up"
    assert second.wait(120)
    assert third.wait(120)


def test_one_that_is_cancelled_while_it_follows_is_gone(executor: JobExecutor) -> None:
    gate = threading.Event()
    first = submit(executor, gate.wait)
    ran: list[int] = []
    future = submit(executor, lambda: ran.append(1), first)
    assert future.cancel()
    assert future.wait(120)
    assert executor.queue.follows(future._job) == []
    gate.set()
    assert first.wait(120)
    assert submit(executor, int, first).wait(120)
    assert ran == []


def test_many_that_follow_one_another_at_random_all_run_once(executor: JobExecutor) -> None:
    ran: list[int] = []
    futures: list[JobFuture] = []
    for number in range(200):
        before = [futures[number * 7 % (at + 1)] for at in range(0, len(futures), 40)]
        futures.append(submit(executor, lambda n=number: ran.append(n), *before))
    assert all(future.wait(120) for future in futures)
    assert sorted(ran) == list(range(200))


def test_while_memory_is_short_the_queue_waits_and_says_so(executor: JobExecutor) -> None:
    gate = threading.Event()
    running = submit(executor, gate.wait)
    executor._policy.min_free_memory = "1000TB"
    waiting = submit(executor, int)
    assert waiting.status is JobStatus.QUEUED
    because = executor.queue.waits_because
    assert because is not None
    assert because.endswith("of memory are free, and 1000TB must be")
    executor._policy.min_free_memory = None
    assert waiting.result(120) == 0  # it looks again by itself
    assert executor.queue.waits_because is None
    gate.set()
    assert running.wait(120)


def test_one_job_runs_however_short_memory_is(executor: JobExecutor) -> None:
    executor._policy.min_free_memory = "1000TB"
    futures = [submit(executor, int) for _ in range(3)]
    until(lambda: all(future.done() for future in futures))


@pytest.mark.parametrize("wrong", ["first", 3, [None]])
def test_only_jobs_can_be_followed(executor: JobExecutor, wrong: Any) -> None:
    with pytest.raises(TypeError, match="after takes jobs"):
        executor.submit_function(JobOptions(after=wrong), int, (), {})
