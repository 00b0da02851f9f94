"""What anybody may do with a process of the standard library, also with ours (contracts P3, P4)."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import connection
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.execution.destroyable_process import DestroyableProcess
from tests.execution.test_destroyable_process import ended, every_method, fail, states, wait_for
from tests.fifo import Fifo
from tests.waiting import until


def running(method: str, directory: Path, **options: Any) -> tuple[Any, Fifo]:
    held = Fifo(directory / "held")
    process = DestroyableProcess(method, wait_for, args=(held,), **options)
    process.start()
    return process, held


@every_method
def test_its_process_has_the_name_and_number_that_it_says(method: str) -> None:
    process = ended(
        method, lambda: (os.getpid(), multiprocessing.current_process().name), name="mine"
    )
    assert process.get_or_throw() == (process.pid, "mine")
    assert process.pid != os.getpid()


@every_method
def test_arguments_left_out_are_none(method: str) -> None:
    process = DestroyableProcess(
        method, lambda *args, **kwargs: (args, kwargs), args=None, kwargs=None, return_result=True
    )
    process.start()
    process.join()
    assert process.get_or_throw() == ((), {})


@every_method
@pytest.mark.parametrize(
    ("end", "number"),
    [(lambda process: process.terminate(), 15), (lambda process: process.kill(), 9)],
    ids=["terminate", "kill"],
)
def test_its_own_signals_end_it_and_are_no_cancel(
    method: str, end: Callable[[Any], None], number: int, tmp_path: Path
) -> None:
    process, _ = running(method, tmp_path)
    end(process)
    process.join(120)
    assert process.exitcode == -number
    assert states(process) == (False, False, True, True)


@every_method
def test_joining_with_a_timeout_gives_up(method: str, tmp_path: Path) -> None:
    process, held = running(method, tmp_path)
    process.join(0.05)
    assert (process.is_alive(), process.exitcode) == (True, None)
    held.say()
    process.join(120)
    assert (process.is_alive(), process.exitcode) == (False, 0)


@every_method
def test_the_sentinel_of_a_running_one_tells_its_end(method: str, tmp_path: Path) -> None:
    process, held = running(method, tmp_path)
    assert connection.wait([process.sentinel], 0) == []
    told = threading.Thread(target=held.say)
    told.start()
    running_sentinel = process.sentinel
    assert connection.wait([running_sentinel], 60) == [running_sentinel]
    told.join()
    process.join(120)
    assert process.sentinel == running_sentinel  # `p.sentinel in ready` is how it is used
    assert connection.wait([process.sentinel], 0) == [running_sentinel]


@every_method
def test_a_sentinel_is_given_back_with_its_process(method: str, tmp_path: Path) -> None:
    ended(method, len, b"")  # what a first process opens
    before = fds()
    process, held = running(method, tmp_path)
    assert process.sentinel in {int(fd) for fd in os.listdir("/proc/self/fd")}
    held.say()
    process.join(120)
    del process
    gc.collect()
    until(lambda: fds() == before)


@every_method
def test_a_destroyed_one_dies_of_sigterm(method: str, tmp_path: Path) -> None:
    process, _ = running(method, tmp_path)
    process.destroy()
    assert process.exitcode == -signal.SIGTERM


def fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_fifty_kept_finished_ones_hold_no_descriptors() -> None:
    targets: list[Any] = [(len, b"x" * 10), (bytes, 500_000), (fail, "x"), (os._exit, 3)]

    def run(count: int) -> list[Any]:
        return [ended("fork", *targets[at % len(targets)]) for at in range(count)]

    first = run(len(targets))
    before = fds()
    kept = run(50)
    assert fds() <= before
    assert all(process.ran for process in first + kept)


@every_method
def test_a_forgotten_process_still_runs_to_its_end(method: str, tmp_path: Path) -> None:
    process, held = running(method, tmp_path)
    event = process.completion_event
    del process
    held.say()
    assert event.wait(120)
