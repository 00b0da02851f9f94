"""When a fork is safe."""

from __future__ import annotations

import _thread
import functools
import os
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from caikit_nb.execution import fork_rule
from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.destroyable_thread import DestroyableThread
from caikit_nb.execution.fork_rule import Refusal, why_not_fork
from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.execution.watcher import watcher
from tests.waiting import until

BOOSTING = """
import threading
import numpy
from sklearn.ensemble import HistGradientBoostingClassifier
from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.child import Surroundings
from caikit_nb.execution.fork_rule import why_not_fork

def fit():
    x = numpy.random.rand(300, 3)
    HistGradientBoostingClassifier(max_iter=3).fit(x, x[:, 0] > 0.5)
    for thread in threading.enumerate():
        if thread.name.endswith("(worker)"):  # of a pool that is closed, on a busy machine
            thread.join(120)
    return "fitted"

def fitted_in_child(single):
    process = DestroyableProcess(
        "fork", fit, return_result=True, surroundings=Surroundings(single_openmp_thread=single)
    )
    process.start()
    process.join(120)
    assert process.ran, "it hangs"
    return process.get_or_throw()

assert why_not_fork() is None, why_not_fork()
assert fitted_in_child(False) == "fitted"
assert why_not_fork() is None, why_not_fork()
fit()
refusal = why_not_fork()
assert refusal is not None and refusal.only_openmp, refusal
assert why_not_fork() == refusal
assert fitted_in_child(True) == "fitted"
"""


def refusal() -> str:
    found = why_not_fork()
    return "" if found is None else found.reason


@pytest.mark.own_process
def test_a_quiet_process_may_fork() -> None:
    done = threading.Event()
    watcher.call_soon(done.set)
    done.wait(120)
    assert refusal() == ""


def test_only_the_main_thread_may_fork() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert "main thread" in pool.submit(refusal).result()


def test_a_foreign_thread_stands_against_a_fork() -> None:
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="busy")
    thread.start()
    assert refusal() == "other threads are running (busy)"
    release.set()
    thread.join()
    assert refusal() == ""


def test_a_thread_that_was_not_started_by_threading_stands_only_while_it_runs() -> None:
    release, entered = threading.Event(), threading.Event()

    def ask() -> None:
        threading.current_thread()  # from here on it is listed
        entered.set()
        release.wait()

    _thread.start_new_thread(ask, ())
    assert entered.wait(120)
    assert refusal().startswith("other threads are running")
    release.set()
    until(lambda: refusal() == "")


def test_a_job_in_a_thread_is_a_foreign_thread() -> None:
    release = threading.Event()
    thread = DestroyableThread(release.wait)
    thread.start()
    assert "other threads are running" in refusal()
    release.set()
    thread.join()


def test_a_users_callback_that_runs_is_a_foreign_thread() -> None:
    callbacks = SerialThread("callbacks", stands_still=False)
    entered, release, done = threading.Event(), threading.Event(), threading.Event()
    callbacks.put(lambda: (entered.set(), release.wait(120)))
    entered.wait(120)
    assert "other threads are running" in refusal()
    release.set()
    callbacks.put(done.set)
    done.wait(120)


def test_a_users_callback_that_is_about_to_return_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    callbacks = SerialThread("callbacks", stands_still=False)
    entered, waited_for = threading.Event(), threading.Event()
    callbacks.put(lambda: (entered.set(), waited_for.wait(120)))
    assert entered.wait(120)
    asks = types.SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda _: waited_for.set())
    monkeypatch.setattr(fork_rule, "time", asks)
    assert refusal() == ""


@pytest.mark.parametrize("library", ["ray", "grpc._cython.cygrpc", "polars", "tensorflow"])
def test_a_library_that_does_not_survive_a_fork_is_named(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, types.ModuleType(library))
    assert refusal().startswith(f"{library.partition('.')[0]} is loaded")


def test_torch_is_refused_once_cuda_is_initialised(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(is_initialized=lambda: initialized)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    initialized = False
    assert refusal() == ""
    initialized = True
    assert refusal() == "CUDA is initialised in torch"


def test_a_driver_that_is_open_stands_against_a_fork(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device = tmp_path / "nvidiactl"
    device.touch()
    monkeypatch.setattr(fork_rule, "_DRIVERS", (str(tmp_path / "nvidia"),))
    assert refusal() == ""
    with device.open():
        assert refusal() == f"the driver of a GPU is in use ({device})"
    assert refusal() == ""


def test_a_refusal_is_a_value() -> None:
    assert Refusal("x") == Refusal("x", only_openmp=False)


def test_an_openmp_pool_stands_against_a_fork_only_once_it_has_run() -> None:
    pytest.importorskip("sklearn")
    done = subprocess.run([sys.executable, "-c", BOOSTING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def ends_when_told(gate: int) -> None:
    os.read(gate, 1)


def waits_for_ever(_: int) -> None:
    threading.Event().wait()


def waits_for_a_thread_that_runs(_: int) -> None:
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def run() -> None:
    while True:
        pass


@pytest.mark.parametrize(
    ("target", "seen", "probes"),
    [
        (ends_when_told, True, 10_000),
        (waits_for_ever, False, 10_000),
        (waits_for_a_thread_that_runs, None, 4),
    ],
)
def test_a_busy_machine_is_told_from_a_child_that_hangs(
    target: Callable[[int], object],
    seen: bool | None,
    probes: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fork_rule, "_MOST_PROBES", probes)
    gate, told = os.pipe()
    process = DestroyableProcess("fork", functools.partial(target, gate))
    process.start()
    pid = process.pid or 0
    handle = os.pidfd_open(pid)
    if seen is None:
        until(lambda: state_of_main_thread(pid) == "S")
    os.write(told, b".")
    try:
        assert fork_rule._ends(handle, pid) is seen
    finally:
        for fd in (handle, gate, told):
            os.close(fd)
        process.destroy()


def state_of_main_thread(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_what_a_busy_machine_could_not_tell_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([None, True, False])
    monkeypatch.setattr(fork_rule, "loaded_libraries", lambda _: ["libgomp"])
    monkeypatch.setattr(fork_rule, "_parallel_region_works_in_child", lambda _: next(answers))
    monkeypatch.setattr(fork_rule, "_pool_seen", set())
    found = [refusal() for _ in range(4)]
    hangs = "an OpenMP thread pool has run in this kernel"
    assert found == [hangs, "", hangs, hangs]
