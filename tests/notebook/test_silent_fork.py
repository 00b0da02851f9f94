"""A forked job that hangs before its first word begins anew in a fresh interpreter."""

from collections.abc import Callable

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

# As if a thread that a fork doesn't copy held the lock. The first fork hangs, and no other.
HANG = """
%load_ext caikit_nb
import os, threading
from caikit_nb.execution import process_reader
process_reader.SIGN_OF_LIFE_S = 0.3
held, forks = threading.Lock(), []
held.acquire()
def hang_once():
    forks.append(1)
    if len(forks) == 1:
        held.acquire()
"""


@pytest.fixture
def kernel(start_kernel: Callable[..., Kernel]) -> Kernel:
    kernel = start_kernel()
    kernel.do(HANG)
    kernel.do("os.register_at_fork(before=lambda: None, after_in_child=hang_once)")
    return kernel


def test_it_completes_where_its_names_can_be_pickled(kernel: Kernel) -> None:
    kernel.do("factor = 7")
    kernel.do("%%caikit_job moved --out product\nproduct = 6 * factor\nproduct")
    assert kernel.value("moved.result(120)") == 42
    kernel.until("'product' in globals()")
    assert kernel.value("[product, moved.start_method]") == [42, "forkserver"]
    html = kernel.card("moved").wait_for("completed")
    assert "as the copy of the kernel gave no sign of life" in html
    assert "it has the variables as they were when it was started anew" in html
    assert "shipped factor" in html


def test_it_fails_with_the_explanation_where_they_can_not(kernel: Kernel) -> None:
    kernel.do("lock = threading.Lock()")
    kernel.do("%%caikit_job stuck\nlock.acquire()")
    assert kernel.value("stuck.wait(120)")
    error = kernel.value("str(stuck.exception())")
    assert "gave no sign of life after the fork" in error
    assert "it can't be started anew in a fresh interpreter: 'lock' can't be pickled" in error
    assert kernel.value("stuck.status.name") == "ERRORED"


def test_a_function_begins_anew_as_well(kernel: Kernel) -> None:
    kernel.do("def double(x): return 2 * x\njob = caikit_nb.submit(double, 21)")
    assert kernel.value("[job.result(120), job.start_method]") == [42, "forkserver"]


def test_one_in_the_queue_waits_for_its_turn(kernel: Kernel, gate: Gate) -> None:
    kernel.do("%config CaikitJobs.max_workers = 1")
    kernel.do(f"%%caikit_job ahead -m spawn\n{gate.wait}")
    kernel.do("%%caikit_job behind\n6 * 7")
    kernel.until("behind.start_method == 'forkserver'")
    assert kernel.value("behind.status.name") == "QUEUED"
    gate.open()
    assert kernel.value("behind.result(120)") == 42


def test_one_that_is_cancelled_meanwhile_stays_cancelled(kernel: Kernel) -> None:
    kernel.do("process_reader.SIGN_OF_LIFE_S = 30")
    kernel.do("%%caikit_job gone\n6 * 7")
    assert kernel.value("gone.cancel()")
    assert kernel.value("[gone.wait(120), gone.status.name, gone.start_method]") == [
        True,
        "CANCELED",
        "fork",
    ]
