"""Futures by id, and how long they are kept (contracts J16 to J19, J23)."""

from __future__ import annotations

import datetime
import pickle
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.errors import CaikitNbError, JobNotFoundError, JobResultExpired
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_base import JobBase
from caikit_nb.jobs.local_job_base import LocalJobBase
from caikit_nb.jobs.states import JobStatus
from tests.fifo import Fifo
from tests.jobs.local_futures import METHODS, Calls, Gate, hold, make, raise_yikes
from tests.waiting import until


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


every_method = pytest.mark.parametrize("method", METHODS)


class Trainer(LocalJobBase):
    JOB_WORD, ID_WORD = "training", "training_id"


def start(base: LocalJobBase, *args: Any, id: str | None = None, **more: Any) -> Any:
    return base.start_future(lambda id: make(Calls, *args, future_id=id, **more), id)


def found(base: LocalJobBase, id: str) -> bool:
    try:
        base.get_local_future(id)
    except JobNotFoundError:
        return False
    return True


@pytest.fixture
def quick_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_it_keeps_its_config_and_name() -> None:
    """J16; D18.5: the object itself, also an empty one."""
    config: dict[str, Any] = {}
    base = LocalJobBase(config, "default")
    assert base.config is config
    assert base.instance_name == "default"
    assert isinstance(base, JobBase)
    assert base._retention_duration is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1d", 86400),
        ("0.01s", 0.01),
        ("1d12h3m0.2s", 129780.2),
        ("0s", 0),
        (60, 60),
        (datetime.timedelta(hours=1), 3600),
    ],
)
def test_retention_is_parsed(text: Any, seconds: float) -> None:
    """J17, D11."""
    base = LocalJobBase({"retention_duration": text}, "default")
    assert base._retention_duration == datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize("value", [None, "forever"])
def test_retention_may_be_for_ever(value: Any) -> None:
    """J16."""
    base = LocalJobBase({"retention_duration": value}, "default")
    future = start(base, int)
    assert future.wait(120)
    base._purge_old_futures()
    assert (base._retention_duration, found(base, future.id)) == (None, True)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1d\n",
        "s",
        ".s",
        "1.5d",
        "90",
        "1w",
        "1h30",
        "-1d",
        " 1d",
        "1s1d",
        "10S",
        -1,
        True,
        [1],
        "99999999999d",
        float("nan"),
        "foobar",
    ],
)
def test_a_wrong_retention_is_one_kind_of_error(value: Any) -> None:
    """J17, D11."""
    with pytest.raises(ValueError, match=r"^Invalid retention_duration: ") as caught:
        LocalJobBase({"retention_duration": value}, "default")
    assert "90s, 1h30m" in str(caught.value)


@every_method
@pytest.mark.parametrize("function", [int, raise_yikes])
def test_what_is_overdue_is_purged(method: str, function: Any) -> None:
    """J15, J18, D10: whatever its end was."""
    base = LocalJobBase({"retention_duration": "1d"}, "default")
    future = start(base, function, method=method)
    assert future.wait(120)
    base._purge_old_futures()
    assert base.get_local_future(future.id) is future
    future._completion_time -= datetime.timedelta(days=2)
    base._purge_old_futures()
    assert base.registry.all() == []
    assert not found(base, future.id)
    with pytest.raises(JobResultExpired):
        future.result()


@pytest.mark.parametrize("method", ["thread", "fork"])
def test_a_cancelled_one_is_purged_too(method: str, gate: Gate) -> None:
    """D10."""
    base = LocalJobBase({"retention_duration": "1d"}, "default")
    future = start(base, *gate.work(method), method=method)
    future.cancel()
    gate.open()
    assert future.wait(120)
    future._completion_time -= datetime.timedelta(days=2)
    assert not found(base, future.id)


def test_what_runs_is_never_purged(held: Fifo) -> None:
    """J18."""
    base = LocalJobBase({"retention_duration": "0s"}, "default")
    future = start(base, hold, held)
    base._purge_old_futures()
    assert base.get_local_future(future.id) is future
    held.say()
    until(lambda: not found(base, future.id))


@every_method
def test_a_timer_purges_without_any_call(method: str) -> None:
    """D10: "0s" means as soon as it has ended (J17)."""
    base = LocalJobBase({"retention_duration": "0s"}, "default")
    future = start(base, int, method=method)
    until(lambda: base.registry.all() == [])
    assert future.status is JobStatus.COMPLETED


def test_retention_does_not_depend_on_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """D15."""
    base = LocalJobBase({"retention_duration": "1h"}, "default")
    future = start(base, int)
    assert future.wait(120)
    later = future.completion_time + datetime.timedelta(days=3)
    monkeypatch.setattr("caikit_nb.jobs.times._utc_now", lambda: later)
    monkeypatch.setattr("time.time", later.timestamp)
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    assert found(base, future.id)


def test_a_future_is_found_by_its_id_as_the_same_object() -> None:
    """J8, J19."""
    base = LocalJobBase({}, "test-instance")
    made, named = start(base, int), start(base, int, id="run-1")
    assert base.get_local_future(made.id) is made
    assert base.get_local_future("run-1") is named
    assert LocalJobBase.get_job_name(made.id) == "test-instance"


@pytest.mark.parametrize(
    ("kind", "text"),
    [(LocalJobBase, "Unknown background_id: nope"), (Trainer, "Unknown training_id: nope")],
)
def test_an_unknown_id_is_said(kind: type[LocalJobBase], text: str) -> None:
    """J19."""
    with pytest.raises(JobNotFoundError) as caught:
        kind({}, "default").get_local_future("nope")
    assert str(caught.value) == str(pickle.loads(pickle.dumps(caught.value))) == text
    assert isinstance(caught.value, CaikitNbError)
    assert isinstance(caught.value, KeyError)


def test_an_id_is_not_used_twice_while_it_runs(held: Fifo) -> None:
    """J23, J30."""
    base = Trainer({}, "default")
    old = start(base, hold, held, id="run")
    with pytest.raises(ValueError, match="Cannot restart training with id run: it is still runn"):
        start(base, int, id="run")
    assert base.get_local_future("run") is old
    held.say()
    assert old.wait(120)
    new = start(base, int, id="run")
    assert base.get_local_future("run") is new
    assert base.registry.all() == [new]


def test_a_purged_run_leaves_its_successor_alone() -> None:
    base = LocalJobBase({"retention_duration": "1d"}, "default")
    old = start(base, int, id="run")
    assert old.wait(120)
    new = start(base, int, id="run")
    assert new.wait(120)
    old.purge()
    assert base.get_local_future("run") is new


def test_an_id_is_free_again_if_nothing_could_be_started() -> None:
    base = LocalJobBase({}, "default")
    with pytest.raises(ValueError, match="vfork"):
        start(base, int, id="run", method="vfork")
    assert not found(base, "run")
    assert start(base, int, id="run").wait(120)


@pytest.mark.parametrize("id", ["", "..", "a/b", "nul\0"])
def test_a_wrong_id_starts_nothing(id: str) -> None:
    base, ran = LocalJobBase({}, "default"), threading.Event()
    with pytest.raises(ValueError, match="a job's id must be"):
        start(base, ran.set, id=id)
    assert (base.registry.all(), ran.is_set()) == ([], False)


def test_a_future_of_another_id_is_refused() -> None:
    base = LocalJobBase({}, "default")
    with pytest.raises(ValueError, match="asked for the id 'run'"):
        base.start_future(lambda _: make(Calls, int, future_id="other"), "run")


def submit_at_once(submit: Any, threads: int) -> list[Any]:
    """What each thread's call gave; all call at the same time."""
    barrier, given = threading.Barrier(threads), []

    def call() -> None:
        barrier.wait()
        try:
            given.append(submit())
        except ValueError as error:
            given.append(error)

    callers = [threading.Thread(target=call) for _ in range(threads)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return given


def test_of_many_at_once_one_is_accepted_and_one_runs(quick_switches: None) -> None:
    """D14."""
    base, rounds, ran = LocalJobBase({}, "default"), 100, []
    for number in range(rounds):
        release = threading.Event()

        def work(number: int = number, release: threading.Event = release) -> None:
            ran.append(number)
            release.wait()

        given = submit_at_once(lambda work=work: start(base, work, id="run"), 8)
        (accepted,) = [future for future in given if isinstance(future, Calls)]
        assert {str(e)[:28] for e in given if e is not accepted} == {"Cannot restart job with id r"}
        assert base.get_local_future("run") is accepted
        release.set()
        assert accepted.wait(120)
    assert ran == list(range(rounds))


def test_purging_while_others_submit(quick_switches: None) -> None:
    """D14: nobody sees a dictionary change under his feet."""
    base = LocalJobBase({"retention_duration": "0s"}, "default")
    stop, errors = threading.Event(), []

    def purge() -> None:
        while not stop.is_set():
            try:
                base._purge_old_futures()
            except Exception as error:
                errors.append(error)

    purger = threading.Thread(target=purge)
    purger.start()
    try:
        for _ in range(20):
            futures = submit_at_once(lambda: start(base, int), 8)
            assert all(future.wait(120) for future in futures)
    finally:
        stop.set()
        purger.join()
    assert errors == []
    until(lambda: base.registry.all() == [])


def test_the_executor_is_one_of_them(executor: JobExecutor) -> None:
    assert isinstance(executor, LocalJobBase)
    future = executor.submit(int)
    assert executor.get_local_future(future.id) is future
    assert future.wait(120)
    future.purge()
    assert executor.get_local_future(future.id) is future  # its record stays in the table


def test_the_executors_queue_and_retention_hold_for_futures(tmp_path: Path) -> None:
    executor, held = JobExecutor(max_workers=1), Fifo(tmp_path / "held")
    executor._policy.retention_duration = "90s"
    first, second = start(executor, hold, held), start(executor, int)
    assert [f.status for f in (first, second)] == [JobStatus.RUNNING, JobStatus.QUEUED]
    assert first._job.spec.retention_s == 90
    held.say()
    assert second.result(120) == 0
    executor.close()
