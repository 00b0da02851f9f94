"""How the jobs of a session stand, looked at again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from caikit_nb.jobs.submission import SessionHooks
from caikit_nb.notebook.standing import Census
from caikit_nb.notebook.table_choice import Choice
from tests.fifo import Fifo


@pytest.fixture
def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobExecutor]:
    monkeypatch.setenv("CAIKIT_NB_DIR", str(tmp_path / "sessions"))
    made = JobExecutor(max_workers=1, hooks=SessionHooks())
    yield made
    made.close()


@pytest.fixture
def held(tmp_path: Path) -> Fifo:
    return Fifo(tmp_path / "held")


def jobs_of(executor: JobExecutor) -> list[Job]:
    return [future._job for future in executor.registry.all()]


def submit(executor: JobExecutor, name: str, function: object = int, **more: object) -> JobFuture:
    options = JobOptions(name, "thread", **more)  # type: ignore[arg-type]
    return executor.submit_function(options, function, (), {})  # type: ignore[arg-type]


def test_it_follows_each_job_to_its_end(executor: JobExecutor, held: Fifo) -> None:
    census = Census(executor.queue)
    assert submit(executor, "over").wait(120)
    submit(executor, "first", held.hear)
    last = submit(executor, "last")
    standing = census.take(jobs_of(executor))
    assert standing.counts == {
        JobStatus.COMPLETED: 1,
        JobStatus.RUNNING: 1,
        JobStatus.QUEUED: 1,
    }
    assert [job.spec.name for job in standing.active] == ["first", "last"]
    assert standing.has_active
    held.say()
    assert last.wait(120)
    standing = census.take(jobs_of(executor))
    assert standing.counts == {JobStatus.COMPLETED: 3}
    assert [job.spec.name for job in standing.ended] == ["over", "first", "last"]
    assert not standing.has_active


def test_it_forgets_who_is_no_more(executor: JobExecutor) -> None:
    census = Census(executor.queue)
    futures = [submit(executor, name) for name in ("one", "two")]
    assert all(future.wait(120) for future in futures)
    assert census.take(jobs_of(executor)).counts.total() == 2
    executor.registry.discard(futures[0])
    futures.append(submit(executor, "three"))
    assert futures[-1].wait(120)
    standing = census.take(jobs_of(executor))
    assert standing.counts == {JobStatus.COMPLETED: 2}
    assert [job.spec.name for job in standing.jobs] == ["two", "three"]


def test_active_jobs_come_first_in_the_order_of_their_turns(
    executor: JobExecutor, held: Fifo
) -> None:
    assert submit(executor, "old").wait(120)
    assert submit(executor, "new").wait(120)
    running = submit(executor, "running", held.hear)
    submit(executor, "behind", after=(running,))
    submit(executor, "waiting_1")
    last = submit(executor, "waiting_2")
    standing = Census(executor.queue).take(jobs_of(executor))
    names = [job.spec.name for job in Choice().jobs(standing)]
    assert names == ["running", "waiting_1", "waiting_2", "behind", "new", "old"]
    assert len(Choice(status=JobStatus.QUEUED).jobs(standing)) == 3
    assert [job.spec.name for job in Choice(name_part="NEW").jobs(standing)] == ["new"]
    held.say()
    assert last.wait(120)
