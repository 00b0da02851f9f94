"""An executor whose futures are jobs."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.errors import UnpicklableError
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from tests.fifo import Fifo


def test_it_maps_in_order() -> None:
    with JobExecutor(max_workers=2, start_method="fork") as executor:
        assert list(executor.map(abs, range(-5, 0), timeout=180)) == [5, 4, 3, 2, 1]


def test_leaving_it_waits_for_the_jobs(tmp_path: Path) -> None:
    with JobExecutor(start_method="fork") as executor:
        future = executor.submit((tmp_path / "made").touch)
    assert future.done()
    assert (tmp_path / "made").exists()


def test_after_shutdown_nothing_is_taken() -> None:
    executor = JobExecutor()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(int)


def test_shutdown_can_cancel_what_waits(executor: JobExecutor) -> None:
    release = threading.Event()
    options = JobOptions(start_method="thread")
    futures = [executor.submit_function(options, release.wait, (), {}) for _ in range(4)]
    executor.shutdown(wait=False, cancel_futures=True)
    statuses = [future.status for future in futures]
    assert statuses == [JobStatus.RUNNING] * 2 + [JobStatus.CANCELED] * 2
    release.set()
    assert all(future.wait(120) for future in futures)


def test_an_event_loop_can_run_things_in_it() -> None:
    async def main(executor: JobExecutor) -> int:
        return await asyncio.get_running_loop().run_in_executor(executor, os.getpid)

    with JobExecutor(start_method="fork") as executor:
        assert asyncio.run(main(executor)) != os.getpid()


def test_a_wrong_size_of_chunks_is_refused(executor: JobExecutor) -> None:
    with pytest.raises(ValueError, match="chunksize must be at least 1, not -1"):
        executor.map(abs, range(3), chunksize=-1)


@pytest.mark.parametrize("workers", [0, -1])
def test_a_wrong_number_of_workers_is_refused(workers: int) -> None:
    with pytest.raises(ValueError, match="max_workers"):
        JobExecutor(max_workers=workers)


def test_a_wrong_start_method_is_refused() -> None:
    with pytest.raises(ValueError, match="start method"):
        JobExecutor(start_method="vfork")


def test_what_can_not_be_called_is_refused(executor: JobExecutor) -> None:
    with pytest.raises(TypeError, match="function"):
        executor.submit(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_an_argument_that_can_not_be_shipped_starts_nothing(
    executor: JobExecutor, method: str
) -> None:
    options, before = JobOptions(start_method=method), len(os.listdir("/proc/self/fd"))
    with pytest.raises(UnpicklableError):
        executor.submit_function(options, len, ([threading.Lock()],), {})
    assert len(executor.registry) == 0
    assert len(os.listdir("/proc/self/fd")) <= before + 10


def test_a_fresh_interpreter_has_our_directory_environment_and_path(
    executor: JobExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAIKIT_NB_TEST_WORD", "word")
    (tmp_path / "only_here_module.py").write_text("WORD = 'found'")
    monkeypatch.syspath_prepend(str(tmp_path))

    def look() -> tuple[Any, ...]:
        import only_here_module  # type: ignore[import-not-found]

        return os.getcwd(), os.environ["CAIKIT_NB_TEST_WORD"], only_here_module.WORD

    options = JobOptions(start_method="forkserver")
    future = executor.submit_function(options, look, (), {})
    assert future.result(120) == (str(tmp_path), "word", "found")


def test_closing_ends_the_jobs_and_removes_the_directory(tmp_path: Path) -> None:
    executor, held = JobExecutor(max_workers=1, start_method="fork"), Fifo(tmp_path / "held")
    running, waiting = executor.submit(held.hear), executor.submit(int)
    directory = executor.directory
    executor.close()
    assert [f.status for f in (running, waiting)] == [JobStatus.CANCELED] * 2
    assert not directory.exists()


def test_a_directory_that_is_deleted_does_not_hang_the_job(executor: JobExecutor) -> None:
    import shutil

    future = executor.submit_function(JobOptions(start_method="fork"), print, ("x",), {})
    shutil.rmtree(executor.directory)
    assert future.wait(120)
    assert future.status is JobStatus.COMPLETED
