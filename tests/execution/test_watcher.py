"""The one thread that reads and waits, and standing still while somebody forks."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time

import pytest

from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.execution.watcher import Stillness, Watcher, stillness
from tests.waiting import until


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


def test_a_call_runs_in_the_watchers_thread(watcher: Watcher) -> None:
    names, done = [], threading.Event()
    watcher.call_soon(lambda: (names.append(threading.current_thread().name), done.set()))
    assert done.wait(120)
    assert names == ["caikit_nb watcher"]


def test_calls_run_in_order(watcher: Watcher) -> None:
    seen: list[int] = []
    done = threading.Event()
    for number in range(1000):
        watcher.call_soon(lambda number=number: seen.append(number))  # type: ignore[misc]
    watcher.call_soon(done.set)
    assert done.wait(120)
    assert seen == list(range(1000))


def test_a_call_made_in_the_watchers_own_thread_runs_too(watcher: Watcher) -> None:
    done = threading.Event()
    watcher.call_soon(lambda: watcher.call_soon(done.set))
    assert done.wait(120)


def test_timers_run_in_the_order_of_their_times(watcher: Watcher) -> None:
    seen: list[str] = []
    done = threading.Event()
    now = time.monotonic()
    with stillness.wanted():  # or some could be over before others are known
        watcher.call_at(now + 0.06, done.set)
        watcher.call_at(now + 0.04, lambda: seen.append("second"))
        watcher.call_at(now + 0.02, lambda: seen.append("first"))
    assert done.wait(120)
    assert seen == ["first", "second"]


def test_a_timer_is_never_early(watcher: Watcher) -> None:
    times: list[float] = []
    done = threading.Event()
    began = time.monotonic()
    watcher.call_later(0.05, lambda: (times.append(time.monotonic()), done.set()))
    assert done.wait(120)
    assert times[0] >= began + 0.05


def test_a_cancelled_timer_does_not_run(watcher: Watcher) -> None:
    seen: list[str] = []
    done = threading.Event()
    now = time.monotonic()
    with stillness.wanted():
        timer = watcher.call_at(now + 0.01, lambda: seen.append("late"))
        watcher.call_at(now + 0.03, done.set)
        timer.cancel()
    assert done.wait(120)
    assert seen == []


def test_a_callback_that_raises_is_logged_and_hurts_nobody(
    watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    done = threading.Event()
    watcher.call_soon(lambda: 1 / 0)
    watcher.call_soon(done.set)
    assert done.wait(120)
    assert "ZeroDivisionError" in caplog.text


def test_a_readable_descriptor_is_told_of(watcher: Watcher) -> None:
    read, write = os.pipe()
    seen: list[bytes] = []
    done = threading.Event()

    def on_readable() -> None:
        seen.append(os.read(read, 10))
        watcher.remove_reader(read)
        done.set()

    watcher.call_soon(lambda: watcher.add_reader(read, on_readable))
    os.write(write, b"x")
    assert done.wait(120)
    assert seen == [b"x"]
    os.close(read)
    os.close(write)


def test_a_forked_child_has_a_watcher_of_its_own() -> None:
    from caikit_nb.execution.watcher import watcher as shared

    done = threading.Event()
    shared.call_soon(done.set)
    assert done.wait(120)
    pid = os.fork()
    if pid == 0:
        ran = threading.Event()
        shared.call_soon(ran.set)
        os._exit(0 if ran.wait(120) else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_stillness_waits_for_work_that_runs() -> None:
    stillness, working, release = Stillness(), threading.Event(), threading.Event()
    order: list[str] = []

    def work() -> None:
        with stillness.working():
            working.set()
            release.wait(120)
            order.append("worked")

    worker = threading.Thread(target=work)
    worker.start()
    working.wait(120)
    threading.Timer(0.01, release.set).start()
    with stillness.wanted():
        order.append("still")
    worker.join(120)
    assert order == ["worked", "still"]


def test_work_waits_while_stillness_is_wanted() -> None:
    stillness, order = Stillness(), []

    def work() -> None:
        with stillness.working():
            order.append("worked")

    worker = threading.Thread(target=work)
    with stillness.wanted(), stillness.wanted():
        worker.start()
        worker.join(0.05)
        order.append("still")
    worker.join(120)
    assert order == ["still", "worked"]


def test_an_interrupted_wish_for_stillness_is_taken_back() -> None:
    stillness, working, release = Stillness(), threading.Event(), threading.Event()

    def work() -> None:
        with stillness.working():
            working.set()
            until(lambda: stillness._wanted)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            release.wait(120)

    worker = threading.Thread(target=work)
    worker.start()
    working.wait(120)
    with pytest.raises(KeyboardInterrupt), stillness.wanted():
        pass
    release.set()
    worker.join(120)
    later = threading.Thread(target=lambda: stillness.working().__enter__())
    later.start()
    later.join(120)
    assert not later.is_alive()


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_serial_thread_goes_on_after_an_error(error: type[BaseException]) -> None:
    thread, done = SerialThread("test"), threading.Event()

    def fail() -> None:
        raise error

    thread.put(fail)
    thread.put(done.set)
    assert done.wait(120)


def test_a_serial_thread_does_one_thing_after_another() -> None:
    thread, seen, done = SerialThread("test"), [], threading.Event()
    for number in range(100):
        thread.put(lambda number=number: seen.append(number))  # type: ignore[misc]
    thread.put(done.set)
    assert done.wait(120)
    assert seen == list(range(100))


def test_a_report_that_can_not_be_made_stops_nobody(watcher: Watcher) -> None:
    """A kernel's stderr raises where no descriptor is left, and its handlers with it."""

    class Broken(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            raise RuntimeError("Too many open files")

    broken, done = Broken(), threading.Event()
    logging.getLogger("caikit_nb").addHandler(broken)
    try:
        watcher.call_soon(lambda: 1 // 0)
        watcher.call_soon(done.set)
        assert done.wait(120)
        thread, again = SerialThread("of a test"), threading.Event()
        thread.put(lambda: 1 // 0)
        thread.put(again.set)
        assert again.wait(120)
    finally:
        logging.getLogger("caikit_nb").removeHandler(broken)
