"""How a job is started, and why."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from caikit_nb.errors import ForkRefusedError
from caikit_nb.execution.destroyable_thread import DestroyableThread
from caikit_nb.jobs.start_method import START_METHODS, check_start_method, choose_start_method


@pytest.fixture
def busy_thread() -> Iterator[None]:
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="busy")
    thread.start()
    yield
    release.set()
    thread.join()


@pytest.mark.parametrize("method", START_METHODS)
def test_the_known_methods_are_accepted(method: str) -> None:
    assert check_start_method(method) == method


def test_an_unknown_method_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match=r"'vfork'.*auto.*fork.*thread"):
        check_start_method("vfork")


@pytest.mark.parametrize("method", ["spawn", "forkserver", "thread"])
def test_a_method_that_was_asked_for_is_taken(method: str) -> None:
    assert choose_start_method(method).method == method


@pytest.mark.own_process
def test_a_quiet_process_is_forked() -> None:
    assert choose_start_method("auto").method == "fork"


def test_a_thread_job_that_has_told_its_end_stands_against_no_fork() -> None:
    told, release = threading.Event(), threading.Event()

    class EndsSlowly(threading.Event):
        def set(self) -> None:
            told.set()
            release.wait(120)

    thread = DestroyableThread(int, work_done_event=EndsSlowly())
    thread.start()
    assert told.wait(120)
    try:
        assert choose_start_method("fork").method == "fork"
    finally:
        release.set()
        thread.join()


@pytest.mark.usefixtures("busy_thread")
def test_a_busy_process_is_not_forked_and_says_why() -> None:
    choice = choose_start_method("auto")
    assert choice.method == "forkserver"
    assert "busy" in choice.reason


@pytest.mark.usefixtures("busy_thread")
def test_a_fork_against_the_rule_is_refused_with_the_way_out() -> None:
    with pytest.raises(ForkRefusedError, match=r"busy.*allow_unsafe_fork"):
        choose_start_method("fork")


@pytest.mark.usefixtures("busy_thread")
def test_a_fork_against_the_rule_can_be_allowed() -> None:
    choice = choose_start_method("fork", allow_unsafe_fork=True)
    assert choice.method == "fork"
    assert "though other threads" in choice.reason
