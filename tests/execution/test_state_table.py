"""Every row of the state table of a process: four flags, the answer, the event (contracts 1b)."""

from __future__ import annotations

import logging
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.execution.destroyable_process import DestroyableProcess
from tests.execution.test_destroyable_process import (
    every_method,
    fail,
    ignore_sigterm,
    kill_myself,
    states,
    wait_for,
)
from tests.fifo import Fifo

OOM_TEXT = "Training process died with OOM error!"
REFUSED_TEXT = "Not starting work on pre-canceled process"


@dataclass
class Stage:
    """Where a row makes its process."""

    method: str
    directory: Path

    def make(self, target: Any, *args: Any, **options: Any) -> Any:
        return DestroyableProcess(
            self.method, target, args=args, **{"return_result": True, **options}
        )

    def ended(self, target: Any, *args: Any, **options: Any) -> Any:
        process = self.make(target, *args, **options)
        process.start()
        process.join(120)
        return process

    def held(self) -> Fifo:
        return Fifo(self.directory / "held")


def constructed(stage: Stage) -> Any:
    return stage.make(divmod, 7, 2)


def running(stage: Stage) -> Any:
    process = stage.make(wait_for, stage.held())
    process.start()
    return process


def returned(stage: Stage) -> Any:
    return stage.ended(divmod, 7, 2)


def returned_unasked(stage: Stage) -> Any:
    return stage.ended(divmod, 7, 2, return_result=False)


def raised(stage: Stage) -> Any:
    return stage.ended(fail, "no rate")


def destroyed_while_running(stage: Stage) -> Any:
    process = running(stage)
    process.destroy()
    return process


def destroyed_with_sigkill(stage: Stage) -> Any:
    ready = Fifo(stage.directory / "ready")
    process = stage.make(ignore_sigterm, ready, stage.held(), destroy_grace_period=0.05)
    process.start()
    ready.hear()
    process.destroy()
    return process


def destroyed_before_start(stage: Stage) -> Any:
    process = constructed(stage)
    process.destroy()
    return process


def started_after_destroy(stage: Stage) -> Any:
    process = destroyed_before_start(stage)
    process.start()
    return process


def destroyed_after_success(stage: Stage) -> Any:
    process = returned(stage)
    process.destroy()
    return process


def destroyed_after_error(stage: Stage) -> Any:
    process = raised(stage)
    process.destroy()
    return process


def exits(code: int) -> Callable[[Stage], Any]:
    return lambda stage: stage.ended(os._exit, code)


def killed_by(number: int) -> Callable[[Stage], Any]:
    return lambda stage: stage.ended(kill_myself, number)


@dataclass(frozen=True)
class Row:
    """A situation, and what the table says of it; `answer` is a value or the error raised."""

    name: str
    reach: Callable[[Stage], Any]
    flags: str
    answer: Any
    event: bool


def died(code: int) -> RuntimeError:
    return RuntimeError(f"Training process died with exit code {code}")


ROWS = [
    Row("constructed", constructed, "----", None, False),
    Row("running", running, "----", None, False),
    Row("returned, result kept", returned, "--R-", (3, 1), True),
    Row("returned, result dropped", returned_unasked, "--R-", None, True),
    Row("raised", raised, "--RT", ValueError("no rate"), True),
    Row("destroyed, died of SIGTERM", destroyed_while_running, "DCR-", None, True),
    Row("destroyed, needed SIGKILL", destroyed_with_sigkill, "DCRT", MemoryError(OOM_TEXT), True),
    Row("destroyed before start", destroyed_before_start, "DC--", None, False),
    Row("then started", started_after_destroy, "DC-T", RuntimeError(REFUSED_TEXT), True),
    Row("destroyed after success", destroyed_after_success, "D-R-", (3, 1), True),
    Row("destroyed after an error", destroyed_after_error, "D-RT", ValueError("no rate"), True),
    Row("exit 137", exits(137), "--RT", MemoryError(OOM_TEXT), False),
    Row("exit 9", exits(9), "--RT", MemoryError(OOM_TEXT), False),
    Row("SIGKILL", killed_by(signal.SIGKILL), "--RT", MemoryError(OOM_TEXT), False),
    Row("exit 3", exits(3), "--RT", died(3), False),
    Row("SIGSEGV", killed_by(signal.SIGSEGV), "--RT", died(-11), False),
    Row("SIGTERM by a stranger", killed_by(signal.SIGTERM), "--RT", died(-15), False),
]


def seen(process: Any) -> str:
    return "".join(
        letter if flag else "-" for letter, flag in zip("DCRT", states(process), strict=True)
    )


def check_answer(process: Any, answer: Any) -> None:
    if not isinstance(answer, Exception):
        assert process.error is None
        assert process.get_or_throw() == answer
        return
    assert (type(process.error), str(process.error)) == (type(answer), str(answer))
    with pytest.raises(type(answer), match=f"^{re.escape(str(answer))}$") as caught:
        process.get_or_throw()
    assert caught.value is process.error


@every_method
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_process_is_as_its_row_says_and_stays_so(row: Row, method: str, tmp_path: Path) -> None:
    process = row.reach(Stage(method, tmp_path))
    try:
        for _ in range(2):
            assert seen(process) == row.flags
            check_answer(process, row.answer)
            assert process.completion_event.is_set() is row.event
            assert process.is_alive() is (row.name == "running")
    finally:
        if process.is_alive():
            process.destroy()


@pytest.mark.parametrize("reach", [running, destroyed_while_running, destroyed_after_success])
def test_asking_one_that_runs_or_was_destroyed_is_logged(
    reach: Callable[[Stage], Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = reach(Stage("fork", tmp_path))
    with caplog.at_level(logging.ERROR):
        process.get_or_throw()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    process.destroy()


def test_asking_one_that_ended_by_itself_is_not_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    returned(Stage("fork", tmp_path)).get_or_throw()
    assert not caplog.records


@every_method
def test_a_second_destroy_never_makes_it_canceled(method: str, tmp_path: Path) -> None:
    process = returned(Stage(method, tmp_path))
    for _ in range(3):
        process.destroy()
        assert seen(process) == "D-R-"


@every_method
def test_joining_one_refused_at_its_start_returns_at_once(method: str, tmp_path: Path) -> None:
    process = started_after_destroy(Stage(method, tmp_path))
    process.join()
    assert (process.is_alive(), process.pid, process.exitcode) == (False, None, None)


@every_method
def test_a_second_start_and_an_early_join_are_errors(method: str, tmp_path: Path) -> None:
    process = constructed(Stage(method, tmp_path))
    with pytest.raises(AssertionError):
        process.join()
    process.start()
    with pytest.raises(AssertionError):
        process.start()
    process.join()
    assert process.get_or_throw() == (3, 1)


@every_method
def test_a_given_event_of_the_context_is_set(method: str, tmp_path: Path) -> None:
    event = DestroyableProcess(method).completion_event
    process = returned(Stage(method, tmp_path))
    other = Stage(method, tmp_path).ended(fail, "x", completion_event=event)
    assert other.completion_event is event
    assert process.completion_event is not event
    assert event.is_set()
