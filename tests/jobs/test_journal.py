"""The state of each job on disk, also where it can't be written as usual."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.jobs import journal
from caikit_nb.jobs.executor import JobExecutor, JobOptions
from caikit_nb.jobs.inside import log_metric
from caikit_nb.jobs.journal import FILE, MAX_METRICS, Journal, read_session
from tests.fifo import Fifo
from tests.waiting import until

THREAD = JobOptions(start_method="thread")


def directory_of(executor: JobExecutor, name: str) -> Path:
    return executor.registry[name]._job.directory


def state_in(directory: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads((directory / FILE).read_text())
    return state


def obstruct(directory: Path) -> Path:
    """Let no new file of a state be written there."""
    directory.mkdir(exist_ok=True)
    obstacle = directory / "status.new"
    obstacle.mkdir()
    return obstacle


@pytest.fixture
def held_job(executor: JobExecutor, held: Fifo) -> Path:
    """The directory of a job that runs until `held` says something."""
    future = executor.submit_function(THREAD, held.hear, (), {})
    directory = directory_of(executor, future.id)
    until(lambda: (directory / FILE).exists() and state_in(directory)["status"] == "RUNNING")
    return directory


@pytest.fixture(autouse=True)
def written(executor: JobExecutor) -> Journal:
    return Journal(executor.events, repeat_after_s=0.05)


def test_where_no_file_can_be_made_the_last_state_is_written_over_the_one_before(
    held_job: Path, held: Fifo, caplog: pytest.LogCaptureFixture
) -> None:
    obstacle = obstruct(held_job)
    before = (held_job / FILE).stat()
    held.say("x" * 100)
    until(lambda: state_in(held_job)["status"] == "COMPLETED")
    assert obstacle.is_dir()
    assert (held_job / FILE).stat().st_ino == before.st_ino
    assert [state["status"] for state in read_session(held_job.parent)] == ["COMPLETED"]
    assert not caplog.records


def test_a_write_that_failed_is_repeated(executor: JobExecutor, held: Fifo) -> None:
    future = executor.submit_function(THREAD, held.hear, (), {})
    directory = directory_of(executor, future.id)
    until(directory.is_dir)
    until(lambda: (directory / FILE).exists())
    (directory / FILE).unlink()
    obstacle = obstruct(directory)
    held.say()
    assert future.result(120) == "go"
    assert not (directory / FILE).exists()
    obstacle.rmdir()
    until(lambda: (directory / FILE).exists())
    assert state_in(directory)["status"] == "COMPLETED"


def test_a_state_that_needs_more_room_than_there_is_goes_without_its_metrics(
    held_job: Path, held: Fifo, executor: JobExecutor
) -> None:
    obstruct(held_job)
    job = executor.registry.all()[0]._job
    points = [[f"metric {n} {'x' * 100}", 0, 1.0] for n in range(MAX_METRICS)]
    job.attempt.metrics.take({"points": points})
    with pytest.raises(IsADirectoryError):
        journal.write(job)
    assert state_in(held_job)["status"] == "RUNNING"
    assert state_in(held_job)["metrics"] == {}
    held.say()


def test_of_very_many_metrics_a_state_has_the_first(executor: JobExecutor) -> None:
    future = executor.submit_function(THREAD, log_many, (MAX_METRICS + 5,), {})
    future.result(120)
    state = journal.state_of(executor.registry[future.id]._job)
    assert list(state["metrics"]) == [f"m{n}" for n in range(MAX_METRICS)]


def log_many(count: int) -> None:
    """What a job does."""
    for n in range(count):
        log_metric(**{f"m{n}": n})


def test_where_the_session_is_gone_nothing_is_written(
    held_job: Path, held: Fifo, executor: JobExecutor
) -> None:
    shutil.rmtree(held_job.parent)
    journal.write(executor.registry.all()[0]._job)
    assert not held_job.parent.exists()
    held.say()
