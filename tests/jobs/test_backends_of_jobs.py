"""Which backend a job runs on, and that it is there when it is needed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

import caikit_nb
from caikit_nb.backends import InlineBackend, LocalBackend, backend_types
from caikit_nb.backends.base import BackendBase, Running, Task, TaskListener
from caikit_nb.errors import BackendError, UnpicklableError
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import DefaultPolicy, JobOptions
from caikit_nb.notebook.job_view import card_html, card_text, shown_of


class Counting(LocalBackend):
    """Knows its makings, starts, stops and tasks."""

    backend_type = "COUNTING"
    start_methods = ("spawn", "thread")
    summary = "where it is counted"
    made: ClassVar[list[Counting]] = []

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self.events: list[str] = []
        self.made.append(self)

    def start(self) -> None:
        self.events.append("start")
        super().start()

    def stop(self) -> None:
        self.events.append("stop")
        super().stop()

    def submit(self, task: Task, listener: TaskListener, like: Running | None = None) -> Running:
        self.events.append(task.start_method)
        return super().submit(task, listener, like)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(backend_types, "_classes", dict(backend_types._classes))
    Counting.made.clear()
    backend_types.register_backend_type(Counting)
    yield
    Counting.made.clear()


def submit(executor: JobExecutor, function: Any = int, **options: Any) -> JobFuture:
    return executor.submit_function(JobOptions(**options), function, (), {})


def test_a_job_runs_locally_unless_told_otherwise(executor: JobExecutor) -> None:
    assert submit(executor)._job.spec.backend == "local"
    assert Counting.made == []


@pytest.mark.parametrize("name", ["counting", "COUNTING", "Counting"])
def test_a_job_runs_on_the_backend_that_its_options_name(executor: JobExecutor, name: str) -> None:
    future = submit(executor, threading.get_ident, backend=name, start_method="thread")
    assert isinstance(future.result(120), int)
    assert future._job.spec.backend == "counting"
    assert Counting.made[0].events == ["start", "thread"]


def test_a_policy_names_the_backend() -> None:
    with JobExecutor(policy=DefaultPolicy(backend="inline")) as executor:
        assert executor.submit(int)._job.spec.backend == "inline"
        assert submit(executor, backend="local").result(120) == 0


def test_an_executor_may_be_given_a_name() -> None:
    with JobExecutor(backend="Inline") as executor:
        assert executor.submit(int)._job.spec.backend == "inline"


def test_an_executor_may_be_given_a_backend_that_nobody_registered() -> None:
    class Own(InlineBackend):
        backend_type = "OWN"

    with JobExecutor(backend=Own()) as executor:
        assert executor.submit(int).result(0) == 0
        assert submit(executor, backend="own")._job.spec.backend == "own"
        assert submit(executor, backend="local").result(120) == 0


def test_a_backend_is_made_and_started_once_with_the_first_job_that_needs_it(
    executor: JobExecutor,
) -> None:
    futures = [submit(executor, backend="counting", start_method="thread") for _ in range(3)]
    assert [future.result(120) for future in futures] == [0, 0, 0]
    (backend,) = Counting.made
    assert backend.events == ["start", "thread", "thread", "thread"]


def test_each_executor_has_its_own(executor: JobExecutor) -> None:
    with JobExecutor(backend="counting", start_method="thread") as other:
        assert other.submit(int).result(120) == 0
        submit(executor, backend="counting", start_method="thread").result(120)
    assert len(Counting.made) == 2


def test_closing_stops_what_was_started(executor: JobExecutor) -> None:
    submit(executor, backend="counting", start_method="thread").result(120)
    executor.close()
    executor.close()
    assert Counting.made[0].events == ["start", "thread", "stop"]


def test_a_backend_given_started_is_left_as_it_was() -> None:
    backend = Counting()
    backend.start()
    executor = JobExecutor(backend=backend, start_method="thread")
    assert executor.submit(int).result(120) == 0
    executor.close()
    assert backend.events == ["start", "thread"]


def test_a_backend_that_can_not_be_stopped_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(InlineBackend):
        backend_type = "STUCK"

        def stop(self) -> None:
            raise OSError("stuck")

    executor = JobExecutor(backend=Stuck())
    executor.submit(int)
    executor.close()
    assert "STUCK" in caplog.text


def test_an_unknown_backend_is_refused_with_those_that_there_are(executor: JobExecutor) -> None:
    for refused in (
        lambda: submit(executor, backend="none_such"),
        lambda: JobExecutor(backend="none_such"),
        lambda: caikit_nb.options(backend="none_such"),
    ):
        with pytest.raises(ValueError, match=r"'none_such' is not a backend: use one of .*local"):
            refused()
    assert len(executor.registry) == 0


def test_an_empty_name_is_no_name(executor: JobExecutor) -> None:
    with pytest.raises(ValueError, match="is not a backend"):
        submit(executor, backend="")


def test_a_backend_that_can_not_be_started_says_why_in_one_line(executor: JobExecutor) -> None:
    class Unreachable(Counting):
        backend_type = "UNREACHABLE"

        def start(self) -> None:
            raise OSError("no route")

    backend_types.register_backend_type(Unreachable)
    with pytest.raises(BackendError, match="'unreachable' can't be started: OSError: no route"):
        submit(executor, backend="unreachable")
    assert len(executor.registry) == 0


def test_a_backend_that_takes_no_jobs_leaves_none(executor: JobExecutor) -> None:
    class Idle(Counting):
        backend_type = "IDLE"
        submit = BackendBase.submit

    backend_types.register_backend_type(Idle)
    with pytest.raises(BackendError, match="takes no jobs"):
        submit(executor, backend="idle")
    assert len(executor.registry) == 0


def test_a_start_method_that_it_does_not_take_is_refused(executor: JobExecutor) -> None:
    with pytest.raises(ValueError, match=r"'counting' doesn't take .*'fork': use .*spawn, thread"):
        submit(executor, backend="counting", start_method="fork")
    assert len(executor.registry) == 0


@pytest.mark.parametrize("asked", [None, "auto"])
def test_left_to_itself_it_takes_the_way_it_prefers(
    executor: JobExecutor, asked: str | None
) -> None:
    future = submit(executor, backend="counting", start_method=asked)
    assert future.start_method == "spawn"
    assert future.result(120) == 0


@pytest.mark.parametrize(("setting", "method"), [("thread", "thread"), ("fork", "spawn")])
def test_the_sessions_start_method_holds_where_the_backend_takes_it(
    setting: str, method: str
) -> None:
    with JobExecutor(backend="counting", start_method=setting) as executor:
        assert executor.submit(int).start_method == method


def test_what_goes_to_a_fresh_interpreter_must_be_picklable(executor: JobExecutor) -> None:
    with pytest.raises(UnpicklableError):
        submit(executor, threading.Lock().acquire, backend="counting")


def test_the_card_says_the_backend_in_the_place_of_the_start_method(
    executor: JobExecutor,
) -> None:
    job = submit(executor, backend="counting", start_method="thread")._job
    assert "counting: where it is counted" in card_html(job, shown_of(job), "now")
    assert "[counting]" in card_text(job, shown_of(job), "now")
    local = submit(executor, start_method="thread")._job
    assert "thread: in a thread" in card_html(local, shown_of(local), "now")
    assert "[thread]" in card_text(local, shown_of(local), "now")


def test_options_take_a_backend() -> None:
    future = caikit_nb.options(backend="inline").submit(threading.get_ident)
    assert future.result(0) == threading.get_ident()


def test_a_backend_without_a_summary_is_named_on_the_card(executor: JobExecutor) -> None:
    class Plain(Counting):
        backend_type = "PLAIN"
        summary = ""

    backend_types.register_backend_type(Plain)
    future = submit(executor, backend="plain", start_method="thread")
    assert future._job.spec.reason == "on the backend plain"
