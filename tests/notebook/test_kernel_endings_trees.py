"""However a kernel ends, no process of its jobs is left, in whatever way it tried to get away."""

import json
import os
import signal
from collections.abc import Callable

import pytest

from caikit_nb.execution import guard
from tests.notebook.kernel import Kernel
from tests.notebook.processes import Watched, living_below
from tests.waiting import until

GONE_S = 20.0
METHODS = ("fork", "forkserver", "spawn")

# Each of a tree's processes ignores what can be ignored, and writes its number once it does.
TREES = """
def escape(kind, path):
    import ctypes, os, signal, sys
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    def say_and_stay():
        with open(path, 'a') as file:
            file.write(f'{os.getpid()} ')
        while True: signal.pause()
    def fork(then):
        if os.fork() == 0:
            try:
                then()
            finally:
                os._exit(1)
    def in_own_session():
        os.setsid()
        say_and_stay()
    def daemon():
        os.setsid()
        fork(say_and_stay)
        os._exit(0)
    if kind == 'child': fork(say_and_stay)
    if kind == 'grandchild': fork(lambda: (fork(say_and_stay), say_and_stay()))
    if kind == 'session': fork(lambda: (fork(in_own_session), say_and_stay()))
    if kind == 'daemon': fork(daemon)
    if kind == 'lock':
        with open(path, 'a') as file:
            file.write(f'{os.getpid()} ')
        while True: ctypes.PyDLL(None).pause()  # holds the interpreter's lock
    say_and_stay()
"""
PROCESSES = {"child": 2, "grandchild": 3, "session": 3, "daemon": 2, "lock": 1}

ENDINGS: dict[str, Callable[[Kernel], object]] = {
    "shutdown": lambda kernel: kernel.manager.shutdown_kernel(),
    "shutdown now": lambda kernel: kernel.manager.shutdown_kernel(now=True),
    "SIGKILL": lambda kernel: os.kill(kernel.pid, signal.SIGKILL),
    "os._exit": lambda kernel: kernel.execute("import os; os._exit(1)"),
    "segfault": lambda kernel: kernel.execute("import ctypes; ctypes.string_at(0)"),
    "restart": lambda kernel: kernel.restart(),
}


def start_trees(kernel: Kernel, watched: Watched) -> list[str]:
    """A job of every kind and start method; returns the session's directories."""
    jobs = [(kind, method) for method in METHODS for kind in PROCESSES]
    kernel.do(f"%load_ext caikit_nb\n%config CaikitJobs.max_workers = {len(jobs)}")
    kernel.do(f"import caikit_nb\n{TREES}")
    for kind, method in jobs:
        path = str(kernel.home / f"{kind}-{method}")
        kernel.do(
            f"caikit_nb.options(start_method={method!r}, name='{kind}_{method}')"
            f".submit(escape, {kind!r}, {path!r})"
        )
    for kind, method in jobs:
        path = str(kernel.home / f"{kind}-{method}")
        written = f"__import__('os').path.exists({path!r}) and open({path!r}).read().count(' ')"
        kernel.until(f"({written}) == {PROCESSES[kind]}")
        for pid in (kernel.home / f"{kind}-{method}").read_text().split():
            watched.add(int(pid), f"{kind} by {method}")
    watched.add_below(kernel.pid)
    watched.add(kernel.pid, "the kernel")
    directories = [path.name for path in kernel.session_directories()]
    assert directories
    return directories


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_process_of_any_tree_outlives_its_kernel(
    start_kernel: Callable[..., Kernel], watched: Watched, ending: str
) -> None:
    kernel = start_kernel()
    before = start_trees(kernel, watched)
    (session,) = (kernel.sessions / name for name in before)
    first = json.loads((session / guard.MARKER_FILE).read_text())["first_mark"]
    ENDINGS[ending](kernel)
    assert watched.living_after(GONE_S) == []
    assert list(guard.marked(first, first + guard.MARKS_PER_KERNEL - 1)) == []
    assert not set(before) & {path.name for path in kernel.session_directories()}


def test_a_guard_that_was_killed_is_replaced_at_once(
    start_kernel: Callable[..., Kernel], watched: Watched
) -> None:
    kernel = start_kernel()
    start_trees(kernel, watched)
    (first,) = guards_of(kernel)
    os.kill(first, signal.SIGKILL)
    until(lambda: guards_of(kernel) not in ([], [first]))
    watched.add(guards_of(kernel)[0], "the new guard")
    os.kill(kernel.pid, signal.SIGKILL)
    assert watched.living_after(GONE_S) == []
    assert kernel.session_directories() == []


def guards_of(kernel: Kernel) -> list[int]:
    """The processes of the kernel's guard."""
    return [
        pid
        for pid, command in living_below(kernel.pid)
        if any(word.endswith("guard.py") for word in command)
    ]


def test_the_next_session_sweeps_what_a_killed_kernel_and_guard_have_left(
    start_kernel: Callable[..., Kernel], watched: Watched
) -> None:
    kernel = start_kernel()
    left = start_trees(kernel, watched)
    os.kill(kernel.pid, signal.SIGSTOP)  # or it might start another guard
    for guard_pid in guards_of(kernel):
        os.kill(guard_pid, signal.SIGKILL)
    os.kill(kernel.pid, signal.SIGKILL)  # and nobody waits for it: it stays as a zombie
    following = start_kernel(CAIKIT_NB_DIR=str(kernel.sessions))
    following.do("%load_ext caikit_nb\nagain = %caikit_job 6 * 7")
    assert following.value("again.result(120)") == 42
    assert watched.living_after(GONE_S) == []
    now = [path.name for path in kernel.session_directories()]
    assert not set(left) & set(now)
    assert len(now) == 1
