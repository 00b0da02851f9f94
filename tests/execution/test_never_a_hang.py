"""Whatever a process does and however many threads ask it, it ends in the one right state."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest

from caikit_nb.execution.destroyable_process import DestroyableProcess
from tests.execution.test_destroyable_process import every_method, fail, states

POLLERS = 8
RUN_S = 60.0
MESSAGE_BYTES = 300_000
CODES = [1, 2, 3, 9, 77, 137, 255]
RUNS = [
    pytest.param(20, id="20"),
    pytest.param(1000, id="1000", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
]


def pattern(size: int) -> bytes:
    return bytes(range(256)) * (size // 256) + bytes(size % 256)


def leave(code: int) -> None:
    os._exit(code)


class Case:
    """What one process does, and what is right afterwards."""

    def __init__(self, chance: random.Random) -> None:
        kind = chance.choice(["value", "value", "error", "code"])
        self.event, self.code = kind != "code", 0
        self.target: Callable[..., Any]
        if kind == "value":
            size = chance.choice([0, 1, 65_536, chance.randrange(3_000_000)])
            self.target, self.args, self.answer = pattern, (size,), pattern(size)
        elif kind == "error":
            text = chance.choice("abc") * MESSAGE_BYTES
            self.target, self.args = fail, (text,)  # type: ignore[assignment]
            self.answer = (ValueError, text)  # type: ignore[assignment]
        else:
            self.code = chance.choice(CODES)
            self.target, self.args = leave, (self.code,)
            self.answer = _death(self.code)  # type: ignore[assignment]


def _death(code: int) -> tuple[type[BaseException], str]:
    if code in (9, 137):
        return MemoryError, "Training process died with OOM error!"
    return RuntimeError, f"Training process died with exit code {code}"


def answer_of(process: Any) -> Any:
    try:
        return process.get_or_throw()
    except (ValueError, MemoryError, RuntimeError) as error:
        return type(error), str(error)


def poll(process: Any, started: threading.Event) -> tuple[Any, ...]:
    """Ask everything again and again until it has ended, and once more then."""
    started.wait(RUN_S)
    alive = True
    while alive:
        alive = process.is_alive()
        _ = process.ran, process.threw, process.error, process.exitcode
        answer_of(process)
        process.join(0)
    return states(process), answer_of(process), process.exitcode, process.error


def check(method: str, case: Case, pool: ThreadPoolExecutor) -> None:
    process = DestroyableProcess(method, case.target, args=case.args, return_result=True)
    event, started = process.completion_event, threading.Event()
    pollers = [pool.submit(poll, process, started) for _ in range(POLLERS)]
    process.start()
    started.set()
    process.join(RUN_S)
    assert process.ran, f"{case.target} under {method} did not end"
    late = wait(pollers, RUN_S).not_done
    assert not late, f"{len(late)} threads still ask {case.target} under {method}"
    threw = case.target is not pattern
    seen = [poller.result() for poller in pollers]
    assert {answer[0] for answer in seen} == {(False, False, True, threw)}
    assert all(answer[1] == case.answer for answer in seen)
    assert {answer[2] for answer in seen} == {case.code}
    assert {id(answer[3]) for answer in seen} == {id(process.error)}
    assert event.is_set() is case.event


@pytest.mark.parametrize("runs", RUNS)
def test_eight_threads_ask_from_the_start_and_every_run_ends_right(runs: int) -> None:
    chance = random.Random(runs)
    with ThreadPoolExecutor(POLLERS) as pool:
        for run in range(runs):
            # A fresh interpreter takes half a second: now and then is enough.
            method = {3: "spawn", 7: "forkserver"}.get(run % 20, "fork")
            check(method, Case(chance), pool)


@every_method
@pytest.mark.parametrize("target", [pattern, fail])
def test_joining_before_reading_300_kb_does_not_block(method: str, target: Any) -> None:
    text = "y" * MESSAGE_BYTES
    arguments = (MESSAGE_BYTES,) if target is pattern else (text,)
    process = DestroyableProcess(method, target, args=arguments, return_result=True)
    event = process.completion_event
    process.start()
    process.join(RUN_S)
    assert (process.is_alive(), process.exitcode) == (False, 0)
    assert event.is_set()
    expected = pattern(MESSAGE_BYTES) if target is pattern else (ValueError, text)
    assert answer_of(process) == expected


@every_method
def test_the_event_alone_announces_300_kb(method: str) -> None:
    process = DestroyableProcess(method, pattern, args=(MESSAGE_BYTES,), return_result=True)
    event = process.completion_event
    process.start()
    assert event.wait(RUN_S)
    process.join()
    assert len(process.get_or_throw()) == MESSAGE_BYTES


def test_threads_that_destroy_it_at_once_all_return() -> None:
    with ThreadPoolExecutor(POLLERS) as pool:
        for _ in range(20):
            process = DestroyableProcess("fork", threading.Event().wait)
            process.start()
            ends = [pool.submit(process.destroy) for _ in range(POLLERS)]
            assert not wait(ends, RUN_S).not_done
            assert states(process) == (True, True, True, False)
            assert process.completion_event.is_set()
