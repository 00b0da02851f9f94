"""The session's jobs by name and id."""

from __future__ import annotations

import pytest

from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions


def named(executor: JobExecutor, name: str | None = None) -> JobFuture:
    options = JobOptions(name=name, start_method="thread")
    return executor.submit_function(options, int, (), {})


def test_jobs_are_numbered(executor: JobExecutor) -> None:
    assert [named(executor).name for _ in range(3)] == ["job_1", "job_2", "job_3"]


def test_a_taken_number_is_left_out(executor: JobExecutor) -> None:
    named(executor, "job_1")
    assert named(executor).name == "job_2"


def test_a_job_is_found_by_name_and_by_id(executor: JobExecutor) -> None:
    future = named(executor, "train")
    assert executor.registry["train"] is executor.registry[future.id] is future


def test_a_name_stands_for_its_newest_job(executor: JobExecutor) -> None:
    old, other, new = (named(executor, name) for name in ("train", "other", "train"))
    assert executor.registry["train"] is new
    assert executor.registry[old.id] is old
    assert list(executor.registry) == ["other", "train"]
    assert executor.registry.all() == [old, other, new]


def test_an_unknown_name_lists_those_that_exist(executor: JobExecutor) -> None:
    with pytest.raises(KeyError, match="there are none"):
        executor.registry["x"]
    named(executor, "train")
    with pytest.raises(KeyError, match="train"):
        executor.registry["x"]
    assert "x" not in executor.registry
    assert len(executor.registry) == 1
