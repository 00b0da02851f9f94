"""Many jobs of mixed fates in a live kernel: each ends in exactly one right state."""

from collections.abc import Callable

import psutil
import pytest

from tests.notebook.kernel import Kernel
from tests.notebook.processes import living_below

SET_UP = """
import collections, ctypes, os, random, signal, subprocess, sys, time
import caikit_nb
from caikit_nb.execution.watcher import watcher

LEFT = str(10**6 + os.getpid())  # by which its like is told from that of another run

def fate(kind):
    if kind == "return":
        return list(range(1000))
    if kind == "raise":
        raise ValueError("x" * 300_000)
    if kind == "exit":
        os._exit(3)
    if kind == "crash":
        ctypes.string_at(0)
    if kind == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "flood":
        for number in range(5000):
            print("line", number, "x" * 80)
        return "said"
    if kind == "leave":
        subprocess.Popen(["sleep", LEFT], start_new_session=True, env={})
        return "left"
    signal.pause()  # until it is cancelled

RIGHT = {
    "return": "COMPLETED", "raise": "ERRORED", "exit": "ERRORED", "crash": "ERRORED",
    "kill": "ERRORED", "flood": "COMPLETED", "leave": "COMPLETED", "cancel": "CANCELED",
}
OPEN_AT_ONCE = 20

def run_jobs(count, seed):
    chosen, jobs = random.Random(seed), []
    for _ in range(count):
        kind = chosen.choice(list(RIGHT))
        method = chosen.choice(["fork"] * 8 + ["forkserver", "spawn"])
        job = caikit_nb.options(start_method=method).submit(fate, kind)
        if kind == "cancel":
            watcher.call_later(chosen.random() / 5, job.cancel)
        jobs.append((kind, job))
        if len(jobs) >= OPEN_AT_ONCE:
            jobs[-OPEN_AT_ONCE][1].wait(120)
    wrong = []
    for kind, job in jobs:
        if not job.wait(120) or job.status.name != RIGHT[kind]:
            wrong.append([kind, job.start_method, job.status.name, job.get_info().reason])
        job.purge()
    return wrong

def open_things():
    return [len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))]
"""


def left_behind(kernel: Kernel) -> list[str]:
    """What lives below the kernel besides its own helpers."""
    helpers = ("guard.py", "forkserver", "resource_tracker")
    found = [" ".join(command) for _, command in living_below(kernel.pid)]
    return [command for command in found if not any(helper in command for helper in helpers)]


def stress(kernel: Kernel, count: int, timeout: float) -> None:
    kernel.do(SET_UP)
    kernel.do("%load_ext caikit_nb\n%config CaikitJobs.max_workers = 4")
    # With its first large message zmq starts a thread that has sockets of its own.
    kernel.do("from IPython.display import HTML\nHTML('x' * 500_000)")
    kernel.do("warm = run_jobs(20, seed=0); before = open_things()", timeout=timeout)
    assert kernel.value("warm") == []
    kernel.do(f"wrong = run_jobs({count}, seed=1)", timeout=timeout)
    assert kernel.value("wrong") == []
    fds, threads = kernel.value("[now - then for now, then in zip(open_things(), before)]")
    assert fds <= 2
    assert threads <= 2  # helpers that start when they are first needed
    assert left_behind(kernel) == []
    commands = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert ["sleep", str(10**6 + kernel.pid)] not in commands


def test_a_hundred_and_fifty_jobs_of_mixed_fates(start_kernel: Callable[..., Kernel]) -> None:
    stress(start_kernel(), 150, timeout=180)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_three_thousand_jobs_of_mixed_fates(start_kernel: Callable[..., Kernel]) -> None:
    stress(start_kernel(), 3000, timeout=1400)
