"""The guard: nothing survives a kernel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from caikit_nb.execution import guard
from caikit_nb.execution.guardian import _SHORTEST_LIFE_S, Guardian, guardian
from caikit_nb.execution.watcher import watcher
from tests.execution.test_process_endings import STARTERS
from tests.fifo import Fifo
from tests.waiting import is_gone_within, until

SLEEPER = [sys.executable, "-S", "-c", "import signal; signal.pause()"]

PARENT = """
import sys
import time
from pathlib import Path
from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.guard import MARKER_FILE
from caikit_nb.execution.guardian import guardian
from tests.execution.test_process_endings import {start}, run_with_grandchild
from tests.fifo import Fifo

told, held = Fifo.__new__(Fifo), Fifo.__new__(Fifo)
told.path, held.path = sys.argv[1:3]
for name in sys.argv[3:]:
    guardian.remove_at_end(name)
process = DestroyableProcess("{method}", run_with_grandchild, args=({start}, told, held))
if __name__ == "__main__":
    process.start()
    process.join()
"""


@pytest.fixture
def mark() -> Iterator[int]:
    number = guard.new_marks()
    yield number
    guard.kill_marked(number, number)


def marked_sleeper(mark: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(SLEEPER, preexec_fn=lambda: guard.set_mark(mark))


def test_an_unmarked_process_has_no_mark() -> None:
    assert guard.mark_of(os.getpid()) == 0


def test_a_process_that_is_gone_has_no_mark() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert guard.mark_of(process.pid) == 0


def test_marked_processes_are_found_and_killed(mark: int) -> None:
    processes = [marked_sleeper(mark) for _ in range(3)]
    pids = {process.pid for process in processes}
    assert set(guard.marked(mark, mark)) == pids
    assert guard.kill_marked(mark, mark) == pids
    assert [process.wait(120) for process in processes] == [-9] * 3
    assert list(guard.marked(mark, mark)) == []


def test_a_sweep_does_not_touch_other_marks(mark: int) -> None:
    process = marked_sleeper(mark)
    assert guard.kill_marked(mark - 10, mark - 1) == set()
    assert process.poll() is None
    process.kill()
    process.wait()


def test_the_mark_survives_exec_setsid_and_an_empty_environment(mark: int) -> None:
    options = "stdout=-3, start_new_session=True, env={}"
    code = f"import subprocess; print(subprocess.Popen({SLEEPER}, {options}).pid)"
    done = subprocess.run(
        [sys.executable, "-S", "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: guard.set_mark(mark),
        check=True,
    )
    assert guard.kill_marked(mark, mark) == {int(done.stdout)}


def test_a_directory_without_the_marker_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    assert not guard.remove_marked_directory(str(tmp_path))
    assert (tmp_path / "precious").exists()


def test_a_link_to_a_marked_directory_is_not_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    (real / guard.MARKER_FILE).touch()
    link.symlink_to(real)
    assert not guard.remove_marked_directory(str(link))
    assert real.exists()


def test_a_marked_directory_is_deleted(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / guard.MARKER_FILE).touch()
    assert guard.remove_marked_directory(str(own))
    assert not own.exists()


def names_below(directory: Path) -> list[str]:
    """The files in a directory; none where it is gone."""
    return [name for _, _, names in os.walk(directory) for name in names]


def test_what_an_interrupted_deletion_has_left_is_deleted_by_the_next(tmp_path: Path) -> None:
    for attempt in range(50):
        own = tmp_path / str(attempt)
        own.mkdir()
        (own / guard.MARKER_FILE).touch()
        for number in range(50):
            (own / str(number)).touch()
        deleter = os.fork()
        if deleter == 0:
            guard.remove_marked_directory(str(own))
            os._exit(0)
        while len(names_below(own)) > 51 - attempt:
            pass
        os.kill(deleter, signal.SIGKILL)
        os.waitpid(deleter, 0)
        guard.remove_marked_directory(str(own))
        assert names_below(own) == []


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize(
    ("start", "also_its_guard"),
    [*((starter.__name__, False) for starter in STARTERS), ("start_unmarked_daemon", True)],
)
def test_a_killed_parent_leaves_no_process_and_no_directory_of_its_own(
    method: str, start: str, also_its_guard: bool, tmp_path: Path
) -> None:
    told, held = Fifo(tmp_path / "told"), Fifo(tmp_path / "held")
    own, foreign = tmp_path / "its\nown", tmp_path / "foreign"
    own.mkdir()
    foreign.mkdir()
    (own / guard.MARKER_FILE).touch()
    script = tmp_path / "parent.py"
    script.write_text(PARENT.format(start=start, method=method))
    names = [told.path, held.path, str(own), str(foreign)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, str(script), *names], env=environment)
    pid = int(told.hear())
    guards = [int(p) for p in _children(parent.pid) if b"guard.py" in _command(p)]
    assert len(guards) == 1
    if also_its_guard:
        until(lambda: len(guards_of(parent.pid)) == 2)
        parent.send_signal(signal.SIGSTOP)  # or it might start another
        os.kill(guards[0], signal.SIGKILL)
    parent.kill()
    parent.wait(120)
    assert is_gone_within(pid)
    assert is_gone_within(guards[0])
    until(lambda: not own.exists())
    assert foreign.exists()


def test_a_parent_that_becomes_another_program_leaves_no_process_and_no_directory(
    tmp_path: Path,
) -> None:
    told, held = Fifo(tmp_path / "told"), Fifo(tmp_path / "held")
    own = tmp_path / "own"
    own.mkdir()
    (own / guard.MARKER_FILE).touch()
    script = tmp_path / "parent.py"
    becomes = "import os; os.read(0, 1); os.execv('/bin/sleep', ['sleep', '600'])"
    text = PARENT.format(start="start_daemon", method="fork")
    script.write_text(text.replace("process.join()", becomes))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), told.path, held.path, str(own)]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as parent:
        pid = int(told.hear())
        assert parent.stdin is not None
        parent.stdin.close()
        assert is_gone_within(pid)
        until(lambda: not own.exists())
        assert parent.poll() is None
        parent.kill()


def _field(status: Path, name: str) -> str:
    return next(line.split()[1] for line in status.read_text().splitlines() if name in line)


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _command(pid: str) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_killed_guard_is_replaced() -> None:
    guardian.ensure_running()
    first = guardian.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert is_gone_within(first)
    guardian.next_mark()
    assert guardian.pid not in (None, first)


@pytest.fixture
def kernel() -> Iterator[subprocess.Popen[str]]:
    """A process that says its guard's number, and goes on once it hears a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", GUARDED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process


def read_number(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_a_killed_guard_is_replaced_at_once_also_without_a_job(
    kernel: subprocess.Popen[str],
) -> None:
    first = read_number(kernel)
    # By the clock that the kernel goes by, and it is as old as that at least.
    known_since = time.monotonic()
    until(lambda: time.monotonic() - known_since > _SHORTEST_LIFE_S)
    os.kill(first, signal.SIGKILL)
    assert is_gone_within(first)
    children = psutil.Process(kernel.pid).children
    until(lambda: [child.pid for child in children()] not in ([], [first]))
    kernel.communicate("\n", timeout=180)


GUARDED = """
from caikit_nb.execution.guardian import guardian
guardian.ensure_running()
print(guardian.pid, flush=True)
input()
"""


def test_a_guard_that_ends_at_once_is_replaced_with_the_next_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("caikit_nb.execution.guardian._SHORTEST_LIFE_S", 3600.0)
    own = Guardian()
    own.ensure_running()
    let_the_watcher_pass()
    first = own.pid or 0
    os.kill(first, signal.SIGKILL)
    assert is_gone_within(first)
    let_the_watcher_pass()
    assert own.pid == first
    own.next_mark()
    assert own.pid != first
    second = own._guard
    assert second is not None
    with second:  # which closes the line to it, too
        second.kill()


def let_the_watcher_pass() -> None:
    """Wait until it has seen all that has happened by now."""
    passed = threading.Event()
    watcher.call_soon(lambda: watcher.call_soon(passed.set))
    assert passed.wait(120)


def test_a_guard_does_not_obey_a_terminal() -> None:
    guardian.ensure_running()
    status = Path(f"/proc/{guardian.pid}/status")
    until(lambda: int(_field(status, "SigIgn"), 16) >> signal.SIGTERM - 1 & 1)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(guardian.pid or 0, number)
    assert not is_gone_within(guardian.pid or 0, 0.1)


def test_the_guards_second_process_goes_with_the_first(kernel: subprocess.Popen[str]) -> None:
    first = read_number(kernel)
    until(lambda: len(guards_of(kernel.pid)) == 2)
    assert [child.pid for child in psutil.Process(kernel.pid).children(recursive=True)] == [first]
    guards = guards_of(kernel.pid)
    kernel.communicate("\n", timeout=180)
    assert all(is_gone_within(pid) for pid in guards)


def guards_of(pid: int) -> list[int]:
    """The processes that guard what a process has started."""
    return [
        process.pid
        for process in psutil.process_iter()
        if b"guard.py\0%d\0" % pid in _command_or_nothing(process.pid)
    ]


def _command_or_nothing(pid: int) -> bytes:
    try:
        return _command(str(pid))
    except OSError:
        return b""


def test_no_two_kernels_have_the_same_marks() -> None:
    """Though they have the same number, in containers of their own or one after the other."""
    firsts = {guard.new_marks() for _ in range(1000)}
    assert len(firsts) == 1000
    assert all(first % guard.MARKS_PER_KERNEL == 0 for first in firsts)


def test_marks_are_never_given_twice() -> None:
    assert len({guardian.next_mark() for _ in range(100)}) == 100


def test_a_forked_child_gives_marks_of_its_own() -> None:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, str(guardian.next_mark()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with open(read) as pipe:
        given = int(pipe.read())
    own = range(guardian.first_mark, guardian.first_mark + guard.MARKS_PER_KERNEL)
    assert given not in own


def test_a_new_guardian_has_no_guard_yet() -> None:
    assert Guardian().pid is None
