"""Processes that can be destroyed: their states (contracts P1 to P17)."""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.execution import destroyable_process as module
from caikit_nb.execution.destroyable import Destroyable
from caikit_nb.execution.destroyable_process import DestroyableProcess
from tests.fifo import Fifo

METHODS = ["fork", "spawn", "forkserver"]
every_method = pytest.mark.parametrize("method", METHODS)


def double(number: int, *, extra: int = 0) -> int:
    return 2 * number + extra


def fail(text: str) -> None:
    raise ValueError(text)


def wait_for(fifo: Fifo) -> str:
    return fifo.hear()


def ended(method: str, target: Any, *args: Any, **options: Any) -> Any:
    """A process that has run to its end."""
    process = DestroyableProcess(method, target, args=args, return_result=True, **options)
    process.start()
    process.join(120)
    return process


def states(process: Any) -> tuple[bool, bool, bool, bool]:
    return process.destroyed, process.canceled, process.ran, process.threw


@pytest.fixture
def fifo(tmp_path: Path) -> Fifo:
    return Fifo(tmp_path / "fifo")


def test_an_unknown_start_method_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"'vfork'.*linux.*fork.*forkserver.*spawn"):
        DestroyableProcess("vfork")


def test_the_module_has_the_names_of_the_seed() -> None:
    assert module.OOM_EXIT_CODES == [137, 9, -9]
    assert module.FORK_CTX is multiprocessing.get_context("fork")
    assert module.SPAWN_CTX is multiprocessing.get_context("spawn")
    assert module.FORKSERVER_CTX is multiprocessing.get_context("forkserver")
    assert sorted(module._PROCESS_TYPES) == sorted(METHODS)


@every_method
def test_it_is_a_process_of_the_standard_library(method: str) -> None:
    process = DestroyableProcess(method, name="mine", daemon=True)
    assert isinstance(process, BaseProcess)
    assert isinstance(process, Destroyable)
    assert (process.name, process.daemon) == ("mine", True)
    assert not DestroyableProcess(method).daemon


@every_method
def test_one_that_was_not_started_has_no_state(method: str) -> None:
    process = DestroyableProcess(method, double, args=(1,))
    assert states(process) == (False, False, False, False)
    assert process.get_or_throw() is None
    assert not process.completion_event.is_set()


@every_method
def test_a_returned_value_is_kept(method: str) -> None:
    process = DestroyableProcess(method, double, None, (3,), {"extra": 1}, return_result=True)
    process.start()
    process.join()
    assert states(process) == (False, False, True, False)
    assert (process.get_or_throw(), process.exitcode) == (7, 0)
    assert process.completion_event.is_set()


@every_method
def test_a_value_is_dropped_unless_asked_for(method: str) -> None:
    process = DestroyableProcess(method, double, args=(3,))
    process.start()
    process.join()
    assert process.get_or_throw() is None
    assert states(process) == (False, False, True, False)


@every_method
def test_an_exception_keeps_type_and_text(method: str) -> None:
    process = ended(method, fail, "no rate")
    assert states(process) == (False, False, True, True)
    with pytest.raises(ValueError, match=r"^no rate$"):
        process.get_or_throw()
    assert process.completion_event.is_set()


@every_method
def test_a_running_one_answers_without_blocking(
    method: str, fifo: Fifo, caplog: pytest.LogCaptureFixture
) -> None:
    process = DestroyableProcess(method, wait_for, args=(fifo,))
    process.start()
    with caplog.at_level(logging.ERROR):
        assert process.get_or_throw() is None
    assert caplog.records
    assert states(process) == (False, False, False, False)
    assert process.is_alive()
    assert not process.completion_event.is_set()
    fifo.say()
    process.join()


@every_method
def test_one_destroyed_while_it_runs_is_canceled(method: str, fifo: Fifo) -> None:
    process = DestroyableProcess(method, wait_for, args=(fifo,))
    process.start()
    process.destroy()
    assert states(process) == (True, True, True, False)
    assert not process.is_alive()
    assert process.completion_event.is_set()
    assert process.get_or_throw() is None


def ignore_sigterm(ready: Fifo, fifo: Fifo) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.say()
    fifo.hear()


@every_method
def test_one_that_ignores_sigterm_is_killed_after_the_grace(
    method: str, fifo: Fifo, tmp_path: Path
) -> None:
    ready = Fifo(tmp_path / "ready")
    process = DestroyableProcess(
        method, ignore_sigterm, args=(ready, fifo), destroy_grace_period=0.05
    )
    process.start()
    ready.hear()
    process.destroy()
    assert states(process) == (True, True, True, True)
    assert process.exitcode == -signal.SIGKILL
    assert isinstance(process.error, MemoryError)
    assert process.completion_event.is_set()


@every_method
def test_one_destroyed_before_its_start_never_runs(method: str) -> None:
    process = DestroyableProcess(method, double, args=(1,))
    process.destroy()
    assert states(process) == (True, True, False, False)
    assert process.get_or_throw() is None
    assert not process.completion_event.is_set()
    process.start()
    process.join()
    assert not process.is_alive()
    assert process.pid is None
    assert states(process) == (True, True, False, True)
    assert process.completion_event.is_set()
    with pytest.raises(RuntimeError, match=r"^Not starting work on pre-canceled process$"):
        process.get_or_throw()


@every_method
def test_one_destroyed_after_success_is_not_canceled(method: str) -> None:
    process = ended(method, double, 4)
    process.destroy()
    process.destroy()
    assert states(process) == (True, False, True, False)
    assert process.get_or_throw() == 8


@every_method
@pytest.mark.parametrize("code", [137, 9])
def test_an_exit_code_that_means_out_of_memory_says_so(method: str, code: int) -> None:
    process = ended(method, os._exit, code)
    assert states(process) == (False, False, True, True)
    with pytest.raises(MemoryError, match=r"^Training process died with OOM error!$"):
        process.get_or_throw()
    assert not process.completion_event.is_set()


@every_method
def test_another_exit_code_is_named(method: str) -> None:
    process = ended(method, os._exit, 3)
    assert (process.exitcode, process.threw) == (3, True)
    with pytest.raises(RuntimeError, match=r"^Training process died with exit code 3$"):
        process.get_or_throw()
    assert not process.completion_event.is_set()


def kill_myself(number: int) -> None:
    faulthandler.disable()
    os.kill(os.getpid(), number)


def test_a_segfault_is_named() -> None:
    process = ended("fork", kill_myself, signal.SIGSEGV)
    with pytest.raises(RuntimeError, match=r"exit code -11$"):
        process.get_or_throw()


def test_starting_twice_is_an_error() -> None:
    process = ended("fork", double, 1)
    with pytest.raises(AssertionError):
        process.start()


def test_joining_before_the_start_is_an_error() -> None:
    with pytest.raises(AssertionError):
        DestroyableProcess("fork").join()


def test_a_given_completion_event_is_the_one_that_is_set() -> None:
    event = threading.Event()
    process = ended("fork", double, 1, completion_event=event)
    assert process.completion_event is event
    assert event.is_set()


@every_method
def test_a_fresh_completion_event_can_be_waited_for(method: str, fifo: Fifo) -> None:
    process = DestroyableProcess(method, wait_for, args=(fifo,))
    process.start()
    event = process.completion_event
    fifo.say()
    assert event.wait(120)
    process.join()


def test_the_answer_is_stable() -> None:
    process = ended("fork", fail, "x")
    assert process.error is process.error
    value = ended("fork", list, "abc")
    assert value.get_or_throw() is value.get_or_throw()


@every_method
def test_a_result_far_above_the_pipe_buffer_does_not_block(method: str) -> None:
    assert len(ended(method, lambda: b"x" * 50_000_000).get_or_throw()) == 50_000_000


@every_method
def test_an_error_message_of_300_kb_does_not_block(method: str) -> None:
    process = ended(method, fail, "y" * 300_000)
    assert len(str(process.error)) == 300_000


def test_eight_threads_may_poll_at_once() -> None:
    def poll(process: Any) -> object:
        while process.is_alive() or process.exitcode is None:
            pass
        process.join()
        return process.ran, process.exitcode, process.get_or_throw(), process.error

    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            process = DestroyableProcess("fork", double, args=(1,), return_result=True)
            process.start()
            answers = list(pool.map(poll, [process] * 8))
            assert answers == [(True, 0, 2, None)] * 8


def test_threads_that_ask_a_failed_one_get_the_same_error() -> None:
    process = ended("fork", fail, "x")
    with ThreadPoolExecutor(8) as pool:
        errors = list(pool.map(lambda _: process.error, range(64)))
    assert {id(error) for error in errors} == {id(process.error)}
