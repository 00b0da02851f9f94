"""What every backend must do, as tests that its author inherits.

::

    from caikit_nb.testing.backend_contract import BackendContract

    class TestMine(BackendContract):
        def make_backend(self):
            return Mine()
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.backends.base import BackendBase, Running, Task
from caikit_nb.errors import JobTimeoutError, UnpicklableError
from caikit_nb.execution.call import Call, Runner
from caikit_nb.execution.child import Surroundings
from caikit_nb.execution.outcome import Died, Returned
from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.options import JobOptions
from caikit_nb.jobs.states import JobStatus
from caikit_nb.testing import contract_tasks
from caikit_nb.testing.heard import WAIT_S, Heard, open_files

_MANY = 8
_SHIPPED = ("forkserver", "spawn")


class BackendContract:
    """Inherit it in a class whose name begins with ``Test``.

    A backend says in its ``lacks`` what it can't do, and the tests of that are skipped:

    - ``background``: `release` returns while the task runs;
    - ``end``: a running task can be ended;
    - ``interrupt``: KeyboardInterrupt can be raised in a running task;
    - ``output``: what a task prints is heard;
    - ``messages``: what a task sends is heard while it runs.

    Attributes:
        start_method: How the tasks start; None for the backend's preferred way.
    """

    start_method: str | None = None

    def make_backend(self) -> BackendBase:
        """A backend that was not started; the author defines this."""
        raise NotImplementedError("define make_backend()")

    @pytest.fixture
    def backend(self) -> Iterator[BackendBase]:
        """The backend, started; it is stopped when the test is over."""
        backend = self.make_backend()
        backend.ensure_started()
        yield backend
        backend.stop()

    @pytest.fixture
    def executor(
        self, backend: BackendBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[JobExecutor]:
        """An executor of this backend, with its files in the test's own directory."""
        monkeypatch.setenv("CAIKIT_NB_DIR", str(tmp_path / "sessions"))
        executor = JobExecutor(max_workers=2, backend=backend)
        yield executor
        executor.close()

    def needs(self, backend: BackendBase, *abilities: str) -> None:
        """Skip the test if the backend lacks one of the abilities."""
        lacking = backend.lacks & set(abilities)
        if lacking:
            pytest.skip(f"{backend.backend_type} lacks {', '.join(sorted(lacking))}")

    def method(self, backend: BackendBase) -> str:
        """How the tasks start."""
        return self.start_method or backend.start_methods[0]

    def task(self, backend: BackendBase, runner: Runner, **inputs: Any) -> Task:
        """A task of that runner."""
        method = self.method(backend)
        path = tuple(sys.path) if method in _SHIPPED else ()
        around = Surroundings(module_path=path)
        return Task("contract", Call(runner, inputs), method, around)

    def take(self, backend: BackendBase, runner: Runner, **inputs: Any) -> tuple[Running, Heard]:
        """Submit a task, and don't release it."""
        heard = Heard()
        return backend.submit(self.task(backend, runner, **inputs), heard), heard

    def run(self, backend: BackendBase, runner: Runner, **inputs: Any) -> tuple[Running, Heard]:
        """Submit a task and release it."""
        running, heard = self.take(backend, runner, **inputs)
        self.release(backend, running)
        return running, heard

    def release(self, backend: BackendBase, running: Running) -> None:
        """Let a task run, in a thread where that blocks."""
        if "background" in backend.lacks:
            threading.Thread(target=running.release, daemon=True).start()
        else:
            running.release()

    def submit(self, executor: JobExecutor, function: Any, *args: Any, **options: Any) -> JobFuture:
        """A job on the backend."""
        chosen = JobOptions(start_method=self.start_method, **options)
        return executor.submit_function(chosen, function, args, {})

    def test_a_task_gives_back_its_value(self, backend: BackendBase) -> None:
        _, heard = self.run(backend, contract_tasks.give_back, value={"a": [1, 2]})
        assert heard.value() == {"a": [1, 2]}

    def test_a_task_gives_back_its_variables(self, backend: BackendBase) -> None:
        _, heard = self.run(backend, contract_tasks.give_back, value=1, model="m", history=[1, 2])
        assert [heard.value(name) for name in ("", "model", "history")] == [1, "m", [1, 2]]

    def test_an_error_comes_home_with_type_text_and_traceback(self, backend: BackendBase) -> None:
        _, heard = self.run(backend, contract_tasks.fail)
        error, text = heard.error()
        assert type(error) is LookupError
        assert str(error) == "there is no such thing"
        assert "in fail" in text

    def test_output_comes_in_order_and_by_stream(self, backend: BackendBase) -> None:
        self.needs(backend, "output")
        _, heard = self.run(backend, contract_tasks.write, count=500)
        heard.outcome()
        assert heard.text() == "".join(f"line {number}\n" for number in range(500))
        assert heard.text("stderr") == "a warning\n"

    def test_messages_come_in_order(self, backend: BackendBase) -> None:
        self.needs(backend, "messages")
        _, heard = self.run(backend, contract_tasks.tell, count=200)
        heard.outcome()
        numbers = [m["number"] for m in heard.messages if m.get("kind") == "number"]
        assert numbers == list(range(200))

    def test_the_listener_is_called_in_the_watchers_thread(self, backend: BackendBase) -> None:
        _, heard = self.run(backend, contract_tasks.write, count=3)
        heard.outcome()
        assert set(heard.calls_in_watcher) == {True}

    def test_the_end_is_heard_once_whatever_comes_after(self, backend: BackendBase) -> None:
        running, heard = self.run(backend, contract_tasks.give_back, value=1)
        heard.outcome()
        known = (len(heard.messages), heard.text())
        running.interrupt()
        running.end()
        running.end(at_once=True)
        self._let_time_pass(backend)
        assert isinstance(heard.outcomes[0], Returned)
        assert len(heard.outcomes) == 1
        assert (len(heard.messages), heard.text()) == known

    def test_a_task_that_is_not_released_does_not_run(self, backend: BackendBase) -> None:
        running, heard = self.take(backend, contract_tasks.stay)
        self._let_time_pass(backend)
        assert "here" not in heard.kinds()
        assert not heard.outcomes
        running.end(at_once=True)
        assert isinstance(heard.outcome(), Died)

    @pytest.mark.parametrize("at_once", [False, True])
    def test_a_task_ended_before_its_release_never_runs(
        self, backend: BackendBase, at_once: bool
    ) -> None:
        running, heard = self.take(backend, contract_tasks.stay)
        running.end(at_once=at_once)
        self.release(backend, running)
        assert isinstance(heard.outcome(), Died)
        self._let_time_pass(backend)
        assert "here" not in heard.kinds()
        assert len(heard.outcomes) == 1

    @pytest.mark.parametrize("at_once", [False, True])
    def test_a_running_task_can_be_ended(self, backend: BackendBase, at_once: bool) -> None:
        self.needs(backend, "end", "messages")
        running, heard = self.run(backend, contract_tasks.stay)
        heard.until_here()
        running.end(at_once=at_once)
        assert not isinstance(heard.outcome(), Returned)

    def test_an_interrupted_task_may_still_return(self, backend: BackendBase) -> None:
        self.needs(backend, "interrupt", "messages")
        running, heard = self.run(backend, contract_tasks.stay_until_interrupted)
        heard.until_here()
        running.interrupt()
        assert heard.value() == "interrupted"

    def test_release_returns_while_the_task_runs(self, backend: BackendBase) -> None:
        self.needs(backend, "background", "end", "messages")
        running, heard = self.take(backend, contract_tasks.stay)
        running.release()
        heard.until_here()
        assert not heard.outcomes
        running.end(at_once=True)
        heard.outcome()

    def test_many_tasks_each_give_back_their_own(self, backend: BackendBase) -> None:
        taken = [self.take(backend, contract_tasks.give_back, value=n) for n in range(_MANY)]
        for running, _ in taken:
            self.release(backend, running)
        assert [heard.value() for _, heard in taken] == list(range(_MANY))

    def test_a_task_like_another_gives_back_the_same(self, backend: BackendBase) -> None:
        task = self.task(backend, contract_tasks.give_back, value=[1, 2])
        first, second = Heard(), Heard()
        one = backend.submit(task, first)
        other = backend.submit(task, second, like=one)
        self.release(backend, one)
        assert first.value() == [1, 2]
        assert not second.outcomes
        self.release(backend, other)
        assert second.value() == [1, 2]

    def test_what_can_not_be_shipped_is_refused_without_a_leak(self, backend: BackendBase) -> None:
        if self.method(backend) not in _SHIPPED:
            pytest.skip("nothing is shipped: the task shares or copies the namespace")
        self._let_time_pass(backend)
        before = open_files()
        for _ in range(5):
            with pytest.raises(UnpicklableError):
                self.take(backend, contract_tasks.give_back, value=threading.Lock())
        assert open_files() == before

    def test_many_who_want_it_started_start_it_once(self) -> None:
        backend, together = self.make_backend(), threading.Barrier(_MANY)

        def start(_: int) -> bool:
            together.wait(WAIT_S)
            return backend.ensure_started()

        with ThreadPoolExecutor(_MANY) as threads:
            started = list(threads.map(start, range(_MANY)))
        assert sorted(started) == [False] * (_MANY - 1) + [True]
        assert backend.is_started
        backend.stop()

    def test_it_can_be_started_and_stopped_again(self) -> None:
        backend = self.make_backend()
        assert not backend.is_started
        for _ in range(2):
            backend.start()
            backend.start()
            assert backend.is_started
            assert self.run(backend, contract_tasks.give_back, value=1)[1].value() == 1
            backend.stop()
            backend.stop()
            assert not backend.is_started

    def test_a_job_has_its_functions_value(self, executor: JobExecutor) -> None:
        future = self.submit(executor, contract_tasks.double, 21)
        assert future.result(WAIT_S) == 42
        assert future.status is JobStatus.COMPLETED

    def test_a_job_reports_bars_and_metrics(
        self, backend: BackendBase, executor: JobExecutor
    ) -> None:
        self.needs(backend, "messages")
        future = self.submit(executor, contract_tasks.report, 4)
        assert future.result(WAIT_S) == 4
        assert [bar.fraction for bar in future.progress] == [1.0]
        assert list(future.metrics["height"]) == [(step, step / 2) for step in range(4)]

    def test_a_job_past_its_timeout_is_ended(
        self, backend: BackendBase, executor: JobExecutor
    ) -> None:
        self.needs(backend, "end")
        future = self.submit(executor, contract_tasks.stay_for_ever, timeout=0.2)
        with pytest.raises(JobTimeoutError):
            future.result(WAIT_S)

    def test_a_job_that_fails_is_tried_again(self, executor: JobExecutor) -> None:
        future = self.submit(executor, contract_tasks.fail_before, 3, retries=3)
        assert future.result(WAIT_S) == 3
        assert future.get_info().attempt == 3

    def test_closing_the_executor_leaves_a_backend_that_it_did_not_start(
        self, backend: BackendBase, executor: JobExecutor
    ) -> None:
        assert self.submit(executor, contract_tasks.double, 1).result(WAIT_S) == 2
        executor.close()
        assert backend.is_started

    def _let_time_pass(self, backend: BackendBase) -> None:
        """A whole other task, and all that the watcher was to do by then."""
        self.run(backend, contract_tasks.give_back, value=None)[1].value()
        done = threading.Event()
        watcher.call_soon(done.set)
        assert done.wait(WAIT_S)
