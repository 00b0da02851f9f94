"""What jobs saved goes with their retention, and nothing else does."""

from __future__ import annotations

import datetime
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

import caikit_nb
from caikit_nb.errors import UnpicklableError
from caikit_nb.execution.guard import MARKER_FILE
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.local_job_base import LocalJobBase
from caikit_nb.jobs.options import JobOptions
from tests.jobs.local_futures import METHODS, Calls, Saves, make, raise_yikes
from tests.waiting import until


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "models"


def save(base: Path, **more: Any) -> Any:
    future = make(Saves, "text", **{"save_path": str(base), "save_with_id": True, **more})
    assert future.wait(120)
    future.exception()
    return future


@pytest.mark.parametrize("method", METHODS)
def test_it_is_saved_in_a_private_marked_directory(base: Path, method: str) -> None:
    future = save(base, method=method)
    directory = base / future.id
    assert future.save_path == str(directory)
    assert sorted(os.listdir(directory)) == [MARKER_FILE, "model.txt"]
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("method", METHODS)
def test_it_goes_when_the_retention_ends(base: Path, method: str) -> None:
    """J18, D10: by a timer, without any call."""
    made = LocalJobBase({"retention_duration": "0s"}, "default")
    more = {"save_path": str(base), "save_with_id": True, "model_name": "m", "method": method}
    future = made.start_future(lambda id: make(Saves, "text", future_id=id, **more))
    until(lambda: future._job.expired is not None)
    until(lambda: os.listdir(base) == [])


@pytest.mark.parametrize("method", ["thread", "fork"])
def test_a_failed_job_leaves_nothing_either(base: Path, method: str) -> None:
    """D10."""
    more = {"save_path": str(base), "save_with_id": True, "method": method}
    future = make(Calls, raise_yikes, **more)
    assert future.wait(120)
    assert os.listdir(base) == [future.id]
    future.purge()
    assert os.listdir(base) == []


def test_a_place_without_an_id_goes_too_if_nothing_was_there(base: Path) -> None:
    """J18."""
    future = save(base, save_with_id=False)
    assert os.listdir(base) == ["model.txt"]
    future.purge()
    assert not base.exists()


def test_the_last_run_that_saves_to_a_place_owns_it(base: Path) -> None:
    first, second = save(base, save_with_id=False), save(base, save_with_id=False)
    first.purge()
    assert os.listdir(base) == ["model.txt"]
    second.purge()
    assert not base.exists()


def test_who_could_not_be_submitted_owns_nothing(base: Path) -> None:
    first = save(base, save_with_id=False)
    with pytest.raises(UnpicklableError):
        make(Calls, bool, threading.Lock(), save_path=str(base), method="spawn")
    assert os.listdir(base) == ["model.txt"]
    first.purge()
    assert not base.exists()


def test_a_directory_that_was_there_stays(base: Path) -> None:
    """D12.1."""
    base.mkdir()
    (base / "mine.txt").write_text("mine")
    save(base, save_with_id=False).purge()
    assert sorted(os.listdir(base)) == ["mine.txt", "model.txt"]


@pytest.mark.parametrize("method", METHODS)
def test_what_a_job_made_where_nothing_was_goes_with_its_retention(base: Path, method: str) -> None:
    """J18: also without an id in the path."""
    made = LocalJobBase({"retention_duration": "1d"}, "default")
    more = {"save_path": str(base / "here"), "method": method}
    future = made.start_future(lambda id: make(Saves, "text", future_id=id, **more))
    assert future.wait(120)
    made._purge_old_futures()
    assert (base / "here" / "model.txt").read_text() == "text"
    future._completion_time -= datetime.timedelta(days=2)
    made._purge_old_futures()
    assert not (base / "here").exists()


def test_a_model_that_is_one_file_goes_with_its_retention(base: Path) -> None:
    base.mkdir()
    (base / "other.txt").write_text("mine")
    path = base / "model.txt"
    future = make(Calls, path.write_text, "text", save_path=str(path))
    assert future.wait(120)
    future.purge()
    assert os.listdir(base) == ["other.txt"]


def test_what_took_the_place_of_a_saved_model_stays(base: Path) -> None:
    future = save(base, save_with_id=False)
    base.rename(base.with_name("moved"))
    base.mkdir()
    (base / "mine.txt").write_text("mine")
    future.purge()
    assert os.listdir(base) == ["mine.txt"]
    assert (base.with_name("moved") / "model.txt").exists()


@pytest.mark.parametrize("method", METHODS)
def test_so_does_what_takes_it_the_moment_it_is_told(base: Path, method: str) -> None:
    def replace(_: object) -> None:
        base.rename(base.with_name("moved"))
        base.mkdir()
        (base / "mine.txt").write_text("mine")

    held = threading.Event()
    future = make(Saves, "text", save_path=str(base), save_with_id=False, method=method)
    future.add_done_callback(replace)
    future.add_done_callback(lambda _: held.set())
    assert held.wait(120)
    assert future.wait(120)
    future.purge()
    assert os.listdir(base) == ["mine.txt"]


def test_the_last_run_that_saved_there_owns_what_an_earlier_one_made(base: Path) -> None:
    first, second = (save(base, save_with_id=False) for _ in range(2))
    first.purge()
    assert (base / "model.txt").exists()
    second.purge()
    assert not base.exists()


def test_what_is_made_beside_a_job_that_never_ran_stays(base: Path, executor: JobExecutor) -> None:
    gate = threading.Event()
    executor._policy.max_workers = 1
    first = executor.submit_function(JobOptions(start_method="thread"), gate.wait, (), {})
    waiting = executor.start_future(
        lambda id: make(Saves, "text", future_id=id, save_path=str(base))
    )
    base.mkdir()
    waiting.cancel()
    gate.set()
    assert first.wait(120)
    assert waiting.wait(120)
    waiting.purge()
    assert base.is_dir()


@pytest.mark.parametrize("marked", [False, True])
def test_an_id_directory_that_was_there_stays(base: Path, marked: bool) -> None:
    """D12.1, also one of an earlier session."""
    (base / "run").mkdir(parents=True)
    if marked:
        (base / "run" / MARKER_FILE).touch()
    save(base, future_id="run").purge()
    assert (base / "run" / "model.txt").read_text() == "text"


@pytest.mark.parametrize(
    "more",
    [
        {"model_name": "/abs"},
        {"model_name": "../../escaped"},
        {"future_id": "../../id_escaped"},
        {"future_id": "/abs"},
        {"future_name": "a/../.."},
        {"extra_path_args": [".."]},
    ],
)
def test_nothing_escapes_and_nothing_is_made(base: Path, more: dict[str, Any]) -> None:
    """D12.2."""
    with pytest.raises(ValueError, match="plain name"):
        save(base, **more)
    assert not base.exists()


def test_similar_names_have_places_of_their_own(base: Path) -> None:
    """D12.3."""
    paths = {save(base / "models", model_name=n, save_with_id=False).save_path for n in ("m", "mo")}
    ids = {save(base / "run1", future_id=id).save_path for id in ("run1", "run")}
    assert paths == {str(base / "models" / "m"), str(base / "models" / "mo")}
    assert ids == {str(base / "run1"), str(base / "run1" / "run")}


def test_an_id_says_whose_it_is(base: Path) -> None:
    """D12.4."""
    made = LocalJobBase({}, "test-instance")
    future = made.start_future(lambda id: make(Saves, "t", future_id=id, save_path=base))
    assert future.wait(120)
    assert made.get_job_name(future.id) == "test-instance"


def test_what_is_linked_from_there_stays(base: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / MARKER_FILE).touch()
    base.mkdir()
    (base / "run").symlink_to(other)
    save(base, future_id="run").purge()
    assert (other / "model.txt").exists()


def test_a_directory_without_its_mark_stays(base: Path) -> None:
    future = save(base)
    (base / future.id / MARKER_FILE).unlink()
    future.purge()
    assert (base / future.id / "model.txt").exists()


def test_a_file_on_the_way_is_said_before_anything_runs(base: Path, tmp_path: Path) -> None:
    base.write_text("a file")
    with pytest.raises(ValueError, match="can't be made"):
        make(Calls, (tmp_path / "ran").touch, save_path=str(base), save_with_id=True)
    assert not (tmp_path / "ran").exists()


def test_the_last_run_of_an_id_owns_its_directory(base: Path) -> None:
    """The first one's retention must not delete what the second has saved."""
    made = LocalJobBase({}, "default")

    def start(text: str) -> Any:
        more = {"save_path": str(base), "save_with_id": True}
        future = made.start_future(lambda id: make(Saves, text, future_id=id, **more), "run")
        assert future.wait(120)
        return future

    first, second = start("first"), start("second")
    first.purge()
    assert (base / "run" / "model.txt").read_text() == "second"
    second.purge()
    assert not (base / "run").exists()


def save_where_told() -> str | None:
    job = caikit_nb.current_job()
    assert job is not None
    assert job.save_path is not None
    Path(job.save_path, "model.txt").write_text("text")
    return job.save_path


@pytest.mark.parametrize("method", METHODS)
def test_a_submitted_job_is_told_where_to_save(
    executor: JobExecutor, base: Path, method: str
) -> None:
    options = JobOptions(start_method=method, save_path=base, save_with_id=True)
    future = executor.submit_function(options, save_where_told, (), {})
    assert future.result(120) == future.save_path == str(base / future.id)
    assert future.wait(120)
    future.purge()
    assert os.listdir(base) == []


def test_without_a_path_it_is_told_none(executor: JobExecutor) -> None:
    def ask() -> Any:
        job = caikit_nb.current_job()
        return job and job.save_path

    future = executor.submit_function(JobOptions(start_method="thread"), ask, (), {})
    assert (future.result(120), future.save_path) == (None, None)


def test_an_id_needs_a_path(executor: JobExecutor) -> None:
    with pytest.raises(ValueError, match="save_with_id needs a save_path"):
        executor.submit_function(JobOptions(save_with_id=True), int, (), {})
    assert len(executor.registry) == 0


@pytest.mark.parametrize("path", ["", "s3://bucket/key"])
def test_a_wrong_path_is_refused_where_it_is_written(path: str) -> None:
    with pytest.raises(ValueError, match=r"S3|models/run"):
        caikit_nb.options(save_path=path)
