"""The contract's tests fail for a backend that breaks them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from caikit_nb.backends import BackendBase, LocalBackend
from caikit_nb.backends.base import Running, Task, TaskListener
from caikit_nb.execution.call import Call
from caikit_nb.execution.outcome import Outcome, PlainValues, Returned
from caikit_nb.execution.watcher import watcher
from caikit_nb.testing import backend_contract, contract_tasks, heard
from caikit_nb.testing.backend_contract import BackendContract


class Spoiled:
    """A listener in front of the real one, that tells it something else."""

    def __init__(self, listener: TaskListener, broken: Broken) -> None:
        self._listener, self._broken = listener, broken
        self._held: list[Any] = []

    def on_output(self, stream: str, data: bytes) -> None:
        self._listener.on_output("stdout" if self._broken.mixes_streams else stream, data)

    def on_message(self, message: Any) -> None:
        if self._broken.loses_messages and message.get("number") == 7:
            return
        self._listener.on_message(message)

    def on_end(self, outcome: Outcome) -> None:
        if self._broken.loses_values and isinstance(outcome, Returned):
            outcome = replace(outcome, values=PlainValues({"": None}))
        self._listener.on_end(outcome)
        if self._broken.ends_twice:
            watcher.call_soon(lambda: self._listener.on_end(outcome))


class Broken(LocalBackend):
    """Breaks one thing."""

    mixes_streams = loses_messages = loses_values = ends_twice = False
    runs_unreleased = ignores_end = starts_twice = ships_anything = False

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[Callable[[], None]] = []

    def ensure_started(self) -> bool:
        self.start()
        return self.starts_twice

    def submit(self, task: Task, listener: TaskListener, like: Running | None = None) -> Running:
        if self.ships_anything and task.start_method == "spawn":
            task = replace(task, call=Call(task.call.runner, {"value": None}))
        running = super().submit(task, Spoiled(listener, self), like)
        self.ends.append(running.end)
        if self.runs_unreleased and task.call.runner is contract_tasks.stay:
            running.release()
        if self.ignores_end:
            running.end = lambda at_once=False: None  # type: ignore[method-assign]
        return running


def contract_of(breaks: str, method: str = "thread") -> tuple[BackendContract, Broken]:
    backend = Broken()
    setattr(backend, breaks, True)
    contract = BackendContract()
    contract.start_method = method
    contract.make_backend = lambda: backend  # type: ignore[method-assign]
    return contract, backend


def test_of(contract: BackendContract, name: str) -> Callable[..., None]:
    return getattr(contract, f"test_{name}")


test_of.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("breaks", "name", "more"),
    [
        ("loses_values", "a_task_gives_back_its_value", ()),
        ("loses_values", "many_tasks_each_give_back_their_own", ()),
        ("loses_messages", "messages_come_in_order", ()),
        ("mixes_streams", "output_comes_in_order_and_by_stream", ()),
        ("ends_twice", "the_end_is_heard_once_whatever_comes_after", ()),
        ("ends_twice", "a_task_ended_before_its_release_never_runs", (True,)),
        ("runs_unreleased", "a_task_that_is_not_released_does_not_run", ()),
        ("ignores_end", "a_running_task_can_be_ended", (False,)),
    ],
)
def test_a_backend_that_breaks_it_fails(
    breaks: str, name: str, more: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heard, "WAIT_S", 1.0)
    contract, backend = contract_of(breaks)
    with pytest.raises(AssertionError):
        test_of(contract, name)(backend, *more)
    for end in backend.ends:
        end()


@pytest.mark.parametrize("breaks", ["starts_twice", "nothing"])
def test_a_backend_that_does_not_start_once_fails(breaks: str) -> None:
    contract, _ = contract_of(breaks)
    with pytest.raises(AssertionError):
        contract.test_many_who_want_it_started_start_it_once()


def test_a_backend_that_ships_anything_fails() -> None:
    contract, backend = contract_of("ships_anything", "spawn")
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        contract.test_what_can_not_be_shipped_is_refused_without_a_leak(backend)


def test_what_a_backend_lacks_is_skipped() -> None:
    class Lacking(LocalBackend):
        lacks = frozenset({"end"})

    with pytest.raises(pytest.skip.Exception, match="LOCAL lacks end"):
        BackendContract().test_a_running_task_can_be_ended(Lacking(), False)


def test_without_a_backend_it_says_what_to_define() -> None:
    with pytest.raises(NotImplementedError, match="make_backend"):
        BackendContract().make_backend()


def test_the_package_and_the_tasks_need_no_pytest() -> None:
    code = (
        "import sys, caikit_nb, caikit_nb.backends, caikit_nb.testing.contract_tasks\n"
        "assert 'pytest' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_failed_assertion_shows_what_it_compared() -> None:
    assert "@pytest_ar" in vars(backend_contract)  # pytest has rewritten its asserts


def test_a_backend_is_what_the_author_gives() -> None:
    assert isinstance(contract_of("nothing")[0].make_backend(), BackendBase)
