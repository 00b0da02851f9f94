"""Tasks in threads and processes of this machine."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

from caikit_nb.backends.base import Task
from caikit_nb.backends.local_backend import LocalBackend, warm_up
from caikit_nb.errors import UnpicklableError
from caikit_nb.execution.call import Call, function_inputs, run_function
from caikit_nb.execution.outcome import Died, Outcome, Returned
from caikit_nb.execution.process_reader import Silent

METHODS = ["fork", "spawn", "forkserver", "thread"]
every_method = pytest.mark.parametrize("method", METHODS)


class Listener(Silent):
    """Keeps the ends that it hears of."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.ended = threading.Event()

    def on_end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.ended.set()


def task(method: str, function: Any, *args: Any) -> Task:
    return Task("test", Call(run_function, function_inputs(function, args)), method)


def submit(method: str, function: Any, *args: Any) -> tuple[Any, Listener]:
    listener = Listener()
    return LocalBackend().submit(task(method, function, *args), listener), listener


def fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_its_type_is_local() -> None:
    assert LocalBackend.backend_type == "LOCAL"


@every_method
def test_a_released_task_runs_and_its_end_is_heard_once(method: str) -> None:
    running, listener = submit(method, abs, -3)
    running.release()
    assert listener.ended.wait(120)
    (outcome,) = listener.outcomes
    assert isinstance(outcome, Returned)
    assert outcome.values.load() == 3


@every_method
def test_a_task_that_is_not_released_does_not_run(method: str) -> None:
    running, listener = submit(method, abs, -3)
    assert not listener.ended.wait(0.05)
    running.end()
    assert listener.ended.wait(120)
    assert [type(outcome) for outcome in listener.outcomes] == [Died]


@every_method
def test_a_task_that_is_ended_twice_is_heard_of_once(method: str) -> None:
    running, listener = submit(method, abs, -3)
    running.end()
    running.end(at_once=True)
    running.release()
    assert listener.ended.wait(120)
    other, heard = submit(method, abs, 1)
    other.release()
    assert heard.ended.wait(120)
    assert len(listener.outcomes) == 1


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_tasks_that_are_never_released_give_their_descriptors_back(method: str) -> None:
    submit(method, abs, 1)[0].end()
    before = fds()
    for _ in range(20):
        running, listener = submit(method, abs, 1)
        running.end()
        assert listener.ended.wait(120)
    assert fds() == before


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_inputs_that_can_not_be_shipped_are_refused_without_a_leak(method: str) -> None:
    before = fds()
    with pytest.raises(UnpicklableError):
        submit(method, len, threading.Lock())
    assert fds() == before


def test_a_threads_prints_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    output: list[bytes] = []
    listener = Listener()
    listener.on_output = lambda stream, data: output.append(data)  # type: ignore[method-assign]
    running = LocalBackend().submit(task("thread", print, "in the thread"), listener)
    running.release()
    print("outside")
    assert listener.ended.wait(120)
    assert b"".join(output) == b"in the thread\n"
    assert capsys.readouterr().out == "outside\n"


def test_the_fork_server_can_be_warmed_up() -> None:
    warm_up()
    running, listener = submit("forkserver", abs, -3)
    running.release()
    assert listener.ended.wait(120)
