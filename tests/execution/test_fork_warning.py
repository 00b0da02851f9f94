"""Forks of ours beside other threads, where Python's warning of it is an error."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator

import pytest

from caikit_nb.execution.fork_warning import unwarned
from tests.execution.test_destroyable_process import ended


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    """Warnings are errors, and there is another thread."""
    may_end = threading.Event()
    other = threading.Thread(target=may_end.wait)
    other.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    may_end.set()
    other.join(120)


def filters() -> list[str]:
    """In a job: the filters."""
    return [repr(each) for each in warnings.filters]


def test_a_process_is_forked_all_the_same_and_has_the_users_filters() -> None:
    before = filters()
    assert ended("fork", filters).get_or_throw() == before
    assert filters() == before


def test_a_fork_inside_is_not_warned_of_and_leaves_no_trace_on_either_side() -> None:
    before = filters()
    with unwarned():
        pid = os.fork()
        if pid == 0:
            os._exit(0 if filters() == before else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert filters() == before


def test_other_warnings_are_told_inside() -> None:
    with unwarned(), pytest.raises(UserWarning, match="something"):
        warnings.warn("something", stacklevel=1)


def test_another_thread_may_fork_by_itself_meanwhile() -> None:
    """What this thread has changed isn't taken back in a child of that one."""
    told: list[int] = []

    def fork() -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        told.append(os.waitpid(pid, 0)[1])

    with unwarned():
        other = threading.Thread(target=fork)
        other.start()
        other.join(120)
    assert told == [0]
