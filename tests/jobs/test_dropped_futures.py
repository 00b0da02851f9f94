"""In a program, an executor keeps nothing of jobs whose futures nobody holds."""

from __future__ import annotations

import concurrent.futures
import gc
import os
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.submission import SessionHooks
from caikit_nb.session import Session
from tests.waiting import until

METHODS = ["fork", "forkserver", "thread"]
every_method = pytest.mark.parametrize("method", METHODS)


class Thing:
    def give(self) -> Thing:
        print("given")
        return self


def make(_: object) -> Thing:
    return Thing()


def fail() -> None:
    raise ValueError("wrong")


@pytest.fixture
def executor() -> Iterator[JobExecutor]:
    made = JobExecutor(max_workers=2)
    yield made
    made.close()


def submit(executor: JobExecutor, method: str, function: Any, *args: Any) -> Any:
    executor._policy.start_method = method
    return executor.submit(function, *args)


def is_gone(reference: Any) -> bool:
    gc.collect()
    return reference() is None


@every_method
def test_a_result_goes_with_its_future(executor: JobExecutor, method: str) -> None:
    future = submit(executor, method, make, 1)
    kept = weakref.ref(future.result(120))
    job, directory = weakref.ref(future._job), future._job.directory
    assert future.wait(120)
    assert kept() is not None
    del future
    until(lambda: is_gone(kept))
    until(lambda: is_gone(job))
    until(lambda: not directory.joinpath("output.log").exists())


@every_method
def test_what_nobody_waits_for_goes_when_it_has_ended(executor: JobExecutor, method: str) -> None:
    thing = Thing()
    given = weakref.ref(thing)
    job = weakref.ref(submit(executor, method, thing.give)._job)
    del thing
    until(lambda: is_gone(given))
    until(lambda: is_gone(job))
    assert executor.registry.all() == []


@every_method
def test_a_submission_leaves_no_circle(executor: JobExecutor, method: str) -> None:
    """Or what was given stays until a collection, which may be long in coming."""
    submit(executor, method, abs, -1).result(120)
    gc.collect()
    gc.disable()
    try:
        thing = Thing()
        given = weakref.ref(thing)
        submit(executor, method, thing.give)
        del thing
        until(lambda: given() is None)
    finally:
        gc.enable()


def test_a_failure_goes_too(executor: JobExecutor) -> None:
    future = submit(executor, "thread", fail)
    error = future.exception(120)
    job = weakref.ref(future._job)
    del future
    until(lambda: is_gone(job))
    assert str(error) == "wrong"  # it is the holder's


def test_results_that_are_mapped_go_one_by_one(executor: JobExecutor) -> None:
    executor._policy.start_method = "thread"
    seen = []
    for thing in executor.map(make, range(5)):
        seen.append(weakref.ref(thing))
        del thing
        until(lambda: is_gone(seen[-1]))
    assert len(seen) == 5


@every_method
def test_a_future_that_is_held_keeps_its_result(executor: JobExecutor, method: str) -> None:
    future = submit(executor, method, abs, -3)
    concurrent.futures.wait([future], 60)
    gc.collect()
    assert future.result() == 3
    assert executor.registry[future.name] is executor.get_local_future(future.id) is future


def test_shutdown_waits_for_those_that_nobody_holds(executor: JobExecutor, held: Any) -> None:
    submit(executor, "fork", held.hear)
    (future,) = executor.registry.all()
    job: Job = future._job
    del future
    held.say()
    executor.shutdown()
    assert job.ended.is_set()


def test_the_death_of_a_copy_of_a_future_is_no_end_of_it(executor: JobExecutor) -> None:
    future = submit(executor, "fork", Thing().give)
    assert future.wait(120)
    log = future._job.directory / "output.log"
    assert log.exists()
    pid = os.fork()
    if not pid:
        del future
        gc.collect()
        os._exit(0)
    os.waitpid(pid, 0)
    assert log.exists()
    assert future.logs() == "given\n"


@pytest.mark.parametrize("where", ["session", "notebook"])
def test_where_jobs_are_found_by_name_their_results_stay(where: str) -> None:
    made = Session().executor if where == "session" else JobExecutor(hooks=SessionHooks())
    name = submit(made, "thread", abs, -3).name
    until(lambda: made.registry[name]._job.ended.is_set())
    gc.collect()
    assert made.registry[name].result() == 3
    made.close()


def test_many_of_them_leave_no_entries(executor: JobExecutor) -> None:
    for _ in range(700):
        submit(executor, "thread", int).wait(120)
    until(lambda: executor.registry.all() == [])
    assert len(executor.registry._by_id) < 400
