"""The small condition variable of futures."""

from __future__ import annotations

import sys
import threading

from caikit_nb.execution.lazy_condition import LazyCondition
from tests.waiting import until


def test_everybody_who_waits_is_woken() -> None:
    condition, happened, woken = LazyCondition(), [], []
    waiting = threading.Semaphore(0)

    def wait() -> None:
        with condition:
            waiting.release()
            while not happened:
                condition.wait(120)
            woken.append(threading.get_ident())

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert all(waiting.acquire(timeout=180) for _ in threads)
    with condition:
        happened.append(True)
        condition.notify_all()
    for thread in threads:
        thread.join(120)
    assert len(woken) == 8


def test_waiting_may_have_an_end() -> None:
    condition = LazyCondition()
    with condition:
        assert condition.wait(0) is False


def test_notifying_nobody_does_nothing() -> None:
    condition = LazyCondition()
    with condition:
        condition.notify_all()


def test_its_lock_shuts_others_out_and_lets_its_holder_in_again() -> None:
    condition, entered = LazyCondition(), threading.Event()

    def enter() -> None:
        with condition:
            entered.set()

    with condition, condition:
        other = threading.Thread(target=enter)
        other.start()
        assert not entered.wait(0.02)
        assert condition.acquire(blocking=False)
        condition.release()
    until(entered.is_set)
    other.join(120)


def test_it_is_small_while_nobody_waits() -> None:
    condition = LazyCondition()
    assert sys.getsizeof(condition) < 100
    assert condition._condition is None
