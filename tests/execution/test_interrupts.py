"""Interrupts that are held back."""
# ruff: noqa: PT012, SIM117 - it is blocks that are tested

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from caikit_nb.execution import interrupts
from caikit_nb.execution.latch import Latch


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_one_that_comes_inside_is_raised_at_the_end() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt):
        with interrupts.held():
            interrupt()
            steps.append("inside")
        steps.append("after")
    assert steps == ["inside"]


def test_without_one_nothing_is_raised() -> None:
    with interrupts.held():
        pass


def test_it_takes_the_place_of_an_error() -> None:
    with pytest.raises(KeyboardInterrupt) as raised, interrupts.held():
        interrupt()
        raise ValueError("of the block")
    assert isinstance(raised.value.__context__, ValueError)


def test_an_inner_block_holds_to_the_end_of_the_outer_one() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        with interrupts.held():
            interrupt()
        steps.append("between")
    assert steps == ["between"]


def test_users_code_inside_can_be_interrupted() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), interrupts.held():
        with interrupts.allowed():
            interrupt()
            steps.append("never")
        steps.append("never")
    assert steps == []
    with pytest.raises(KeyboardInterrupt):  # and what comes after it is held again
        with interrupts.held():
            with interrupts.allowed():
                pass
            interrupt()
            steps.append("held")
    assert steps == ["held"]


def test_allowed_alone_changes_nothing() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.allowed():
        interrupt()


def test_in_other_threads_nothing_changes() -> None:
    found: list[object] = []

    def look() -> None:
        with interrupts.held(), interrupts.allowed():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(120)
    assert found == [signal.default_int_handler]


def test_a_latch_outlives_the_interrupts_of_those_who_wait() -> None:
    """A thousand, at random moments of the waiting; then it can be set, and is heard of."""
    latch, over, is_awaited = Latch(), threading.Event(), False
    main = threading.main_thread().ident
    assert main is not None

    def raise_once(*_: object) -> None:
        nonlocal is_awaited
        if is_awaited:
            is_awaited = False
            raise KeyboardInterrupt

    def disturb() -> None:
        while not over.is_set():
            signal.pthread_kill(main, signal.SIGINT)

    before, interval_s = signal.signal(signal.SIGINT, raise_once), sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    disturber = threading.Thread(target=disturb)
    disturber.start()
    for _ in range(1000):
        with contextlib.suppress(KeyboardInterrupt):
            is_awaited = True
            latch.wait(120)
    over.set()
    disturber.join(120)
    signal.signal(signal.SIGINT, before)
    sys.setswitchinterval(interval_s)
    setter = threading.Thread(target=latch.set)
    setter.start()
    assert latch.wait(120)
    setter.join(120)
    assert not setter.is_alive()
