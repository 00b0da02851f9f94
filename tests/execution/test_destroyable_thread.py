"""Threads that can be destroyed (contracts P18 to P23)."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from caikit_nb.execution import lost_exceptions
from caikit_nb.execution.destroyable import Destroyable
from caikit_nb.execution.destroyable_thread import DestroyableThread, ThreadDestroyedException


class Loop:
    """A function that goes round until an exception stops it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.seen: list[BaseException] = []

    def __call__(self) -> None:
        try:
            tick = threading.Event()
            while True:
                self.entered.set()
                tick.wait(0.001)
        except Exception as error:
            self.seen.append(error)
            raise


@pytest.fixture(autouse=True)
def no_finalizers() -> Iterator[None]:
    """Python drops an exception that is raised while a finalizer happens to run in the thread."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def ran(function: Any, *args: Any, **kwargs: Any) -> DestroyableThread:
    thread = DestroyableThread(function, *args, **kwargs)
    thread.start()
    thread.join(120)
    return thread


def fail(error: BaseException) -> None:
    raise error


def test_it_is_a_thread() -> None:
    thread = DestroyableThread(print)
    assert isinstance(thread, threading.Thread)
    assert isinstance(thread, Destroyable)


def test_arguments_reach_the_function() -> None:
    thread = ran(lambda *args, **kwargs: (args, kwargs), 1, 2, name="x", daemon=3)
    assert thread.get_or_throw() == ((1, 2), {"name": "x", "daemon": 3})


def test_the_very_exception_is_raised_again() -> None:
    error = ValueError("x")
    thread = ran(fail, error)
    assert thread.error is error
    assert thread.threw
    with pytest.raises(ValueError, match="x") as caught:
        thread.get_or_throw()
    assert caught.value is error


@pytest.mark.parametrize("function", [int, lambda: fail(ValueError())])
def test_the_event_is_set_on_success_and_on_error(function: Any) -> None:
    done = threading.Event()
    ran(function, work_done_event=done)
    assert done.is_set()


def test_one_that_was_not_started_has_no_state() -> None:
    thread = DestroyableThread(int)
    assert (thread.destroyed, thread.canceled, thread.ran, thread.threw) == (False,) * 4


def test_ran_is_true_only_after_the_end() -> None:
    release = threading.Event()
    thread = DestroyableThread(release.wait)
    thread.start()
    assert not thread.ran
    release.set()
    thread.join(120)
    assert thread.ran


def test_destroying_a_running_one_ends_its_loop() -> None:
    loop, done = Loop(), threading.Event()
    thread = DestroyableThread(loop, work_done_event=done)
    thread.start()
    loop.entered.wait(120)
    thread.destroy()
    assert thread.canceled
    assert thread.destroyed
    thread.join(120)
    assert not thread.is_alive()
    assert thread.canceled
    assert done.is_set()
    with pytest.raises(ThreadDestroyedException):
        thread.get_or_throw()


def test_user_code_sees_the_destruction_as_an_exception() -> None:
    loop = Loop()
    thread = DestroyableThread(loop)
    thread.start()
    loop.entered.wait(120)
    thread.destroy()
    thread.join(120)
    assert [type(error) for error in loop.seen] == [ThreadDestroyedException]
    assert isinstance(loop.seen[0], RuntimeError)


def test_destroying_a_finished_one_does_not_cancel_it() -> None:
    thread = ran(int)
    thread.destroy()
    assert (thread.destroyed, thread.canceled, thread.get_or_throw()) == (True, False, 0)


def test_one_destroyed_before_its_start_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    escaped: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda seen: escaped.append(seen.exc_type))
    called = threading.Event()
    thread = DestroyableThread(called.set)
    thread.destroy()
    assert thread.canceled
    thread.start()
    thread.join(120)
    assert escaped == [ThreadDestroyedException]
    assert not called.is_set()
    assert not thread.is_alive()


def test_destroying_while_it_starts_or_ends_never_loses_the_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda seen: None)
    for _ in range(2000):
        done = threading.Event()
        thread = DestroyableThread(int, work_done_event=done)
        destroyer = threading.Thread(target=thread.destroy)
        destroyer.start()
        thread.start()
        thread.join(120)
        destroyer.join(120)
        assert not thread.is_alive()
        assert done.is_set()
        assert thread.ran or thread.canceled


def test_a_loop_destroyed_right_after_its_start_always_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda seen: None)
    for _ in range(300):
        thread = DestroyableThread(Loop())
        thread.start()
        thread.destroy()
        thread.join(120)
        assert not thread.is_alive()


def test_an_interrupt_is_raised_only_in_a_running_one() -> None:
    loop = Loop()
    thread = DestroyableThread(loop)
    assert not thread.raise_inside(KeyboardInterrupt)
    thread.start()
    loop.entered.wait(120)
    assert thread.raise_inside(KeyboardInterrupt)
    thread.join(120)
    assert thread.threw
    assert thread.error is None  # it is no Exception
    with pytest.raises(KeyboardInterrupt):
        thread.get_or_throw()
    assert not thread.raise_inside(KeyboardInterrupt)


@pytest.mark.parametrize("error", [SystemExit("bad data path"), KeyboardInterrupt("by hand")])
def test_an_exit_or_an_interrupt_is_not_lost(error: BaseException) -> None:
    done = threading.Event()
    thread = ran(fail, error, work_done_event=done)
    assert (thread.ran, thread.threw, done.is_set()) == (True, True, True)
    with pytest.raises(type(error), match=str(error)) as caught:
        thread.get_or_throw()
    assert caught.value is error


def test_one_destroyed_while_it_blocks_is_canceled_although_it_lives() -> None:
    entered, release = threading.Event(), threading.Event()

    def block() -> bool:
        entered.set()
        return release.wait(120)

    thread = DestroyableThread(block)
    thread.start()
    entered.wait(120)
    thread.destroy()
    assert (thread.is_alive(), thread.canceled, thread.ran) == (True, True, False)
    release.set()
    thread.join(120)
    assert (thread.is_alive(), thread.canceled, thread.ran) == (False, True, True)
    assert isinstance(thread.error, ThreadDestroyedException)


class Finalized:
    """Spends its last moments in Python code, where an exception reaches nobody."""

    def __init__(self, entered: threading.Event, may_end: threading.Event) -> None:
        self._entered, self._may_end = entered, may_end

    def __del__(self) -> None:
        self._entered.set()
        while not self._may_end.is_set():
            pass


@pytest.mark.parametrize("kind", [ThreadDestroyedException, KeyboardInterrupt])
def test_an_exception_that_meets_a_finalizer_is_raised_again(kind: type[BaseException]) -> None:
    loop, entered, never = Loop(), threading.Event(), threading.Event()

    def finalize_and_loop() -> None:
        Finalized(entered, never)
        loop()

    before = sys.unraisablehook
    thread = DestroyableThread(finalize_and_loop)
    thread.start()
    assert entered.wait(120)
    assert thread.raise_inside(kind)
    thread.join(120)
    assert not thread.is_alive()
    assert thread.threw
    with pytest.raises(kind):
        thread.get_or_throw()
    assert sys.unraisablehook is before


def test_other_exceptions_of_finalizers_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))

    class Broken:
        def __del__(self) -> None:
            raise ValueError

    assert not ran(Broken).threw
    assert told == [ValueError]


def test_what_displaces_an_exception_is_not_told_where_it_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))

    class Met:
        def __del__(self) -> None:
            raise lost_exceptions.Displacing  # as if it had met one of the collector's callbacks

    def meet() -> None:
        Met()

    assert not ran(meet).threw
    assert told == []


PROFILE = """
import cProfile
from caikit_nb.execution.destroyable_thread import DestroyableThread

def destroyed_by_itself():
    thread.destroy()

for function in (int, destroyed_by_itself):
    thread = DestroyableThread(function)
    thread.start()
    thread.join()
    for _ in range(100):
        cProfile.Profile().runcall(sum, map(abs, range(100)))
        cProfile.Profile().runcall(lambda: abs(1))
"""


def test_python_is_left_as_it_was() -> None:
    """An exception taken back would leave Python 3.11 looking for it in all threads, for ever:
    each profiled function would then begin anew without an end."""
    subprocess.run([sys.executable, "-c", PROFILE], check=True, timeout=180)
