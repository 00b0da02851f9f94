"""A future that starts with its constructor (contracts J1 to J15)."""

from __future__ import annotations

import concurrent.futures
import datetime
import gc
import inspect
import logging
import os
import string
import threading
import uuid
import weakref
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.errors import UnpicklableError
from caikit_nb.jobs.job_base import JobBase, JobFutureBase, JobInfo, JobStatus
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.job_ids import hash_name, reveal_name
from caikit_nb.jobs.local_job_base import LocalJobBase
from tests.fifo import Fifo
from tests.jobs.local_futures import (
    METHODS,
    Calls,
    Describes,
    Gate,
    Saves,
    Yikes,
    hold,
    make,
    print_and_return,
    raise_yikes,
)
from tests.waiting import until


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


every_method = pytest.mark.parametrize("method", METHODS)
subprocesses = pytest.mark.parametrize("method", METHODS[1:])


def test_its_states_have_the_seeds_numbers() -> None:
    """J1."""
    numbers = {status.name: status.value for status in JobStatus}
    assert (
        numbers.items()
        >= {
            "QUEUED": 1,
            "RUNNING": 2,
            "COMPLETED": 3,
            "CANCELED": 4,
            "ERRORED": 5,
        }.items()
    )
    assert [s.is_terminal for s in list(JobStatus)[:5]] == [False, False, True, True, True]


def test_an_info_needs_only_a_status() -> None:
    """J2."""
    info = JobInfo(JobStatus.RUNNING)
    assert (info.errors, info.submission_time, info.completion_time) == (None, None, None)


@every_method
def test_it_runs_and_gives_back_what_it_returned(method: str) -> None:
    """J3; D13: also from a subprocess without a save_path."""
    future = make(Calls, sorted, [2, 1], method=method)
    assert future.result(120) == [1, 2]
    assert future.get_info().status is JobStatus.COMPLETED
    assert future.get_info().errors is None


@every_method
def test_it_runs_as_soon_as_it_is_made_until_it_is_cancelled(method: str, gate: Gate) -> None:
    """J3, J4."""
    future = make(Calls, *gate.work(method), method=method)
    assert future.get_info().status is JobStatus.RUNNING
    future.cancel()
    assert future.get_info().status is JobStatus.CANCELED
    gate.open()
    assert future.wait(120)
    assert future.get_info().status is JobStatus.CANCELED


def test_many_run_at_once() -> None:
    """J4: there is no limit of workers."""
    release = threading.Event()
    futures = [make(Calls, release.wait) for _ in range(50)]
    assert {future.status for future in futures} == {JobStatus.RUNNING}
    release.set()
    assert all(future.wait(120) for future in futures)


@every_method
def test_an_error_keeps_its_type_and_text(method: str) -> None:
    """J5; D13: result() raises it, and not what comes of it."""
    future = make(Calls, raise_yikes, method=method)
    with pytest.raises(Yikes, match="learning rate too high"):
        future.result(120)
    info = future.get_info()
    assert info.status is JobStatus.ERRORED
    assert [(type(e), str(e)) for e in info.errors] == [(Yikes, "learning rate too high")]


@every_method
@pytest.mark.parametrize("function", [print_and_return, raise_yikes])
def test_its_times_are_aware_and_in_order(method: str, function: Any) -> None:
    """J6, D10, D15: the watcher records every kind of end, when it is."""
    before = datetime.datetime.now(datetime.UTC)
    future = make(Calls, function, method=method)
    after = datetime.datetime.now(datetime.UTC)
    assert future.wait(120)
    info = future.get_info()
    assert before <= info.submission_time <= after
    assert info.completion_time > info.submission_time
    assert info.completion_time.tzinfo is datetime.UTC
    assert future.completion_time == info.completion_time


@pytest.mark.parametrize("method", ["thread", "fork"])
def test_a_cancelled_one_has_ended_when_it_has(method: str, gate: Gate) -> None:
    """D10."""
    future = make(Calls, *gate.work(method), method=method)
    assert future.get_info().completion_time is None
    future.cancel()
    gate.open()
    assert future.wait(120)
    assert future.completion_time is not None


def test_its_constructor_is_the_seeds() -> None:
    """J7."""
    parameters = inspect.signature(LocalJobBase.LocalJobFuture).parameters
    assert list(parameters) == [
        "future_name",
        "module_class",
        "save_path",
        "save_with_id",
        "future_id",
        "args",
        "kwargs",
        "model_name",
        "use_subprocess",
        "extra_path_args",
        "subprocess_start_method",
    ]
    defaults = [p.default for p in parameters.values()][7:]
    assert defaults == [None, False, None, "fork"]


def test_its_work_is_for_a_subclass_to_say() -> None:
    """J7."""
    with pytest.raises(TypeError, match="abstract"):
        make(LocalJobBase.LocalJobFuture)


def test_a_wrong_start_method_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'vfork'.*fork, forkserver, spawn"):
        make(Calls, int, method="vfork")


@every_method
def test_its_keyword_arguments_arrive(method: str) -> None:
    future = make(Calls, sorted, [1, 2], method=method, kwargs={"reverse": True})
    assert future.result(120) == [2, 1]


@every_method
def test_run_knows_its_future(method: str, tmp_path: Path) -> None:
    """What a lock and a way back to itself among its attributes can't hinder."""
    more = {"save_path": str(tmp_path), "save_with_id": True, "given": {"rate": 0.1}}
    future = make(Describes, method=method, **more)
    told = future.result(120)
    assert told[:3] == (future.id, "default", str(tmp_path / future.id))
    assert told[3:5] == (dict, {"rate": 0.1})
    assert (told[5] == os.getpid()) is (method == "thread")


@subprocesses
def test_an_argument_that_can_not_cross_is_said_at_once(method: str, tmp_path: Path) -> None:
    if method == "fork":
        assert make(Calls, bool, threading.Lock(), method=method).wait(120)
        return
    more = {"save_path": str(tmp_path / "base"), "save_with_id": True}
    with pytest.raises(UnpicklableError):
        make(Calls, bool, threading.Lock(), method=method, **more)
    assert not (tmp_path / "base").exists()


def test_a_fork_that_is_not_safe_is_a_forkserver(caplog: pytest.LogCaptureFixture) -> None:
    """D16: never a copy of a lock that a thread holds."""
    release = threading.Event()
    stranger = threading.Thread(target=release.wait)
    stranger.start()
    try:
        future = make(Calls, print_and_return, method="fork")
    finally:
        release.set()
        stranger.join()
    assert (future.start_method, future.result(120)) == ("forkserver", "value")
    assert "fresh interpreter" in caplog.text


def test_its_id_is_what_was_given_or_carries_the_name() -> None:
    """J8."""
    assert make(Calls, int, future_id="run-1").id == "run-1"
    head, _, tail = make(Calls, int, future_name="test-instance").id.partition(":")
    assert head == "uTDubUFDuxFhT"
    assert str(uuid.UUID(tail)) == tail


def test_the_name_can_be_read_from_the_id() -> None:
    """J9, D12.4, D17: also a name that holds the delimiter."""
    assert JobBase.ID_DELIMITER == LocalJobBase.ID_DELIMITER == ":"
    for name in ("default", "team:models", "späßig 3"):
        assert LocalJobBase.get_job_name(make(Calls, int, future_name=name).id) == name


def test_the_hash_is_the_seeds_substitution() -> None:
    """J9."""
    assert (hash_name("default"), hash_name("test-instance")) == ("wTHxlsu", "uTDubUFDuxFhT")
    plain = string.ascii_letters + string.digits + "-_"
    expected = "xzhwTHt7UjOsQFqvKPDulYNWdEy3e52Xka8CSA0mJ1MG6nZ-cBLfI4Rg9i_prVbo"
    assert hash_name(plain + " :ü") == expected + " :ü"
    assert reveal_name(hash_name("az AZ:09-_ü")) == "az AZ:09-_ü"


@subprocesses
def test_a_subprocess_without_a_path_warns_and_runs(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    """J12."""
    with caplog.at_level(logging.WARNING, "caikit_nb"):
        future = make(Calls, print_and_return, method=method)
    assert f"job {future.id} has a process of its own and no save_path" in caplog.text
    assert future.result(120) == "value"


def test_a_thread_or_a_path_does_not_warn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """J12."""
    futures = [make(Calls, int), make(Saves, "text", method="spawn", save_path=tmp_path)]
    assert all(future.wait(120) for future in futures)
    assert "no save_path" not in caplog.text


@every_method
def test_waiting_never_raises_its_error(method: str) -> None:
    """J13."""
    assert make(Calls, raise_yikes, method=method).wait() is True


@pytest.mark.parametrize("function", [int, raise_yikes])
def test_cancelling_what_has_ended_changes_nothing(function: Any) -> None:
    """J14."""
    future = make(Calls, function)
    assert future.wait(120)
    before = future.get_info()
    future.cancel()
    assert future.get_info() == before


def test_a_cancelled_state_is_final() -> None:
    """D13: whatever the job catches, and saves afterwards."""
    running, caught = threading.Event(), threading.Event()

    def stubborn() -> str:
        running.set()
        try:
            while True:
                pass
        except Exception:
            caught.set()
            return "done all the same"

    future = make(Calls, stubborn)
    assert running.wait(120)
    future.cancel()
    assert caught.wait(120)
    assert future.wait(120)
    assert future.status is JobStatus.CANCELED
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(120)


def test_its_completion_time_can_be_shifted() -> None:
    """J15, also by a naive local time."""
    future = make(Calls, int)
    assert future.wait(120)
    shifted = future._completion_time - datetime.timedelta(days=2)
    future._completion_time = shifted
    assert future.completion_time == future.get_info().completion_time == shifted
    future._completion_time = shifted.astimezone().replace(tzinfo=None)
    assert future.completion_time == shifted


def test_what_runs_has_no_completion_time_to_shift(held: Fifo) -> None:
    future = make(Calls, hold, held)
    with pytest.raises(ValueError, match="not ended"):
        future._completion_time = datetime.datetime.now(datetime.UTC)
    held.say()
    assert future.wait(120)


def test_it_is_a_job_like_any_other() -> None:
    """D16.5, D16.6: one kind of future, with its output and its callbacks."""
    future, called = make(Calls, print_and_return, method="forkserver"), threading.Event()
    future.add_done_callback(lambda _: called.set())
    assert all(isinstance(future, kind) for kind in (JobFuture, JobFutureBase))
    assert concurrent.futures.wait([future], 60).done == {future}
    assert called.wait(120)
    assert future.wait(120)
    assert future.logs() == "spoken\n"


@pytest.mark.parametrize("method", ["thread", "fork", "spawn"])
def test_its_inputs_are_not_kept(method: str) -> None:
    """D16.2."""
    given = set(range(3))
    reference = weakref.ref(given)
    future = make(Calls, len, given, method=method)
    del given
    assert future.result(120) == 3
    assert future.wait(120)
    until(lambda: gc.collect() is not None and reference() is None)
