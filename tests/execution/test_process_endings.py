"""What is left of a process when it has ended: nothing."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.limits import Grace
from caikit_nb.execution.outcome import Died, Outcome, Raised, Returned
from caikit_nb.execution.process_reader import Silent
from tests.fifo import Fifo
from tests.waiting import is_gone_within, until

METHODS = ["fork", "spawn", "forkserver"]
SLEEPER = [sys.executable, "-S", "-c", "import signal; signal.pause()"]


class Listener(Silent):
    """Keeps what it hears; of the end whoever joins may know sooner."""

    def __init__(self) -> None:
        self._outcome: Future[Outcome] = Future()
        self.output = b""
        self.first_output = threading.Event()

    def on_output(self, stream: str, data: bytes) -> None:
        self.output += data
        self.first_output.set()

    def on_end(self, outcome: Outcome) -> None:
        self._outcome.set_result(outcome)

    @property
    def outcome(self) -> Outcome:
        return self._outcome.result(120)


def start_plain() -> int:
    return subprocess.Popen(SLEEPER).pid


def start_in_new_session() -> int:
    return subprocess.Popen(SLEEPER, start_new_session=True, env={}).pid


def start_daemon(begin: Callable[[], object] = lambda: None) -> int:
    """A double fork, the last of which has a session of its own and no parent left."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.setsid()
        begin()
        pid = os.fork()
        if pid == 0:
            os.execv(sys.executable, SLEEPER)
        os.write(write, str(pid).encode())
        os._exit(0)
    os.close(write)
    with open(read) as pipe:
        pid = int(pipe.read())
    os.wait()
    return pid


def unmark() -> None:
    """As a program does that schedules in real time."""
    _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    resource.setrlimit(resource.RLIMIT_RTTIME, (5_000_000, hard))


def start_unmarked() -> int:
    return subprocess.Popen(SLEEPER, preexec_fn=unmark).pid


def start_unmarked_daemon() -> int:
    return start_daemon(unmark)


def start_as_another_user() -> int:
    """As root's jobs may: others can't, and start it as they are."""
    if os.getuid() != 0:
        return start_in_new_session()
    command = ["/bin/sleep", "600"]  # which another user may read
    return subprocess.Popen(command, user=65534, group=65534, extra_groups=[]).pid


STARTERS = [
    *(start_plain, start_in_new_session, start_daemon),
    *(start_unmarked, start_unmarked_daemon, start_as_another_user),
]
every_starter = pytest.mark.parametrize("start", STARTERS, ids=lambda f: f.__name__)


def run_with_grandchild(start: Any, told: Fifo, held: Fifo | None) -> None:
    told.say(start())
    if held is not None:
        held.hear()


@every_starter
@pytest.mark.parametrize("method", METHODS)
def test_destroying_a_process_ends_what_it_started(method: str, start: Any, tmp_path: Path) -> None:
    told, held = Fifo(tmp_path / "told"), Fifo(tmp_path / "held")
    process = DestroyableProcess(method, run_with_grandchild, args=(start, told, held))
    process.start()
    pid = int(told.hear())
    process.destroy()
    assert is_gone_within(pid, 0.5)


@every_starter
@pytest.mark.parametrize("method", METHODS)
def test_returning_ends_what_it_started(method: str, start: Any, tmp_path: Path) -> None:
    told, listener = Fifo(tmp_path / "told"), Listener()
    process = DestroyableProcess(
        method, run_with_grandchild, args=(start, told, None), listener=listener
    )
    process.start()
    pid = int(told.hear())
    process.join()
    assert is_gone_within(pid, 0.5)
    assert isinstance(listener.outcome, Returned)
    assert listener.outcome.usage.leftover_processes == 1


@every_starter
def test_being_killed_ends_what_it_started(start: Any, tmp_path: Path) -> None:
    told, held = Fifo(tmp_path / "told"), Fifo(tmp_path / "held")
    process = DestroyableProcess("fork", run_with_grandchild, args=(start, told, held))
    process.start()
    pid = int(told.hear())
    if start is start_unmarked_daemon:
        # Nothing leads to it when its job is dead: it must have been seen before.
        until(lambda: pid in [stray.pid for stray in process._reader._memory.strays])
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert is_gone_within(pid, 0.5)


def run_nested(start: Any, told: Fifo, held: Fifo) -> None:
    inner = DestroyableProcess("fork", run_with_grandchild, args=(start, told, held))
    inner.start()
    inner.join()


@every_starter
def test_a_killed_process_takes_the_jobs_that_it_ran_itself_with_it(
    start: Any, tmp_path: Path
) -> None:
    told, held = Fifo(tmp_path / "told"), Fifo(tmp_path / "held")
    process = DestroyableProcess("fork", run_nested, args=(start, told, held))
    process.start()
    pid = int(told.hear())
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert is_gone_within(pid, 10)


def test_a_job_that_has_lost_its_own_mark_ends_with_what_it_started(tmp_path: Path) -> None:
    told, held = Fifo(tmp_path / "told"), Fifo(tmp_path / "held")

    def work() -> None:
        unmark()
        run_with_grandchild(start_in_new_session, told, held)

    process = DestroyableProcess("fork", work)
    process.start()
    pid = int(told.hear())
    process.destroy()
    assert is_gone_within(pid, 0.5)


def test_a_nested_job_leaves_nothing_to_count() -> None:
    def nested() -> int:
        inner = DestroyableProcess("fork", os.getpid, return_result=True)
        inner.start()
        inner.join()
        return int(inner.get_or_throw())

    listener = Listener()
    process = DestroyableProcess("fork", nested, return_result=True, listener=listener)
    process.start()
    process.join()
    assert process.get_or_throw() != process.pid
    assert isinstance(listener.outcome, Returned)
    assert listener.outcome.usage.leftover_processes == 0


def test_ending_gives_the_call_time_to_clean_up(tmp_path: Path) -> None:
    told, held = Fifo(tmp_path / "told"), Fifo(tmp_path / "held")

    def tidy() -> str:
        try:
            told.say()
            held.hear()
        except KeyboardInterrupt:
            return "tidied"
        return "never"

    process = DestroyableProcess("fork", tidy, return_result=True)
    process.start()
    told.hear()
    process.end(Grace(30, 60))
    process.join()
    assert process.get_or_throw() == "tidied"


def test_an_interrupt_raises_keyboard_interrupt_in_the_call(tmp_path: Path) -> None:
    told, held = Fifo(tmp_path / "told"), Fifo(tmp_path / "held")
    listener = Listener()
    process = DestroyableProcess(
        "fork", lambda: (told.say(), held.hear()), capture=True, listener=listener
    )
    process.start()
    told.hear()
    process.interrupt()
    process.join()
    assert isinstance(listener.outcome, Raised)
    assert isinstance(process.error, KeyboardInterrupt)


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_that_comes_while_it_starts_is_not_lost(method: str, tmp_path: Path) -> None:
    listener = Listener()
    process = DestroyableProcess(method, Fifo(tmp_path / "held").hear, listener=listener)
    process.start()
    process.interrupt()
    process.join()
    assert isinstance(listener.outcome, Raised)
    assert isinstance(process.error, KeyboardInterrupt)


def test_our_own_signal_is_told_from_a_strangers(tmp_path: Path) -> None:
    outcomes = []
    for kill in (lambda p: p.kill_soon(), lambda p: os.kill(p.pid, signal.SIGKILL)):
        listener = Listener()
        held = Fifo(tmp_path / f"held{len(outcomes)}")
        process = DestroyableProcess("fork", held.hear, listener=listener)
        process.start()
        kill(process)
        process.join()
        outcomes.append(listener.outcome)
    assert [o.by_us for o in outcomes if isinstance(o, Died)] == [True, False]


def test_a_gated_process_waits_for_its_gate(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    process = DestroyableProcess("fork", mark.touch, gated=True)
    process.start()
    process.join(0.2)
    assert process.is_alive()
    assert not mark.exists()
    process.open_gate()
    process.join()
    assert mark.exists()


def threads_and_fds() -> tuple[int, int]:
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


def zombies() -> list[int]:
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(pid) for pid in children if " Z " in Path(f"/proc/{pid}/stat").read_text()]


@pytest.mark.own_process
@pytest.mark.parametrize(("method", "few"), [("fork", 10), ("forkserver", 2)])
def test_ten_times_the_processes_leave_no_more_than_a_few(method: str, few: int) -> None:
    kept = []

    def run(count: int) -> tuple[int, int]:
        started = [
            DestroyableProcess(method, list, args=(b"x" * 10,), capture=True, return_result=True)
            for _ in range(count)
        ]
        for process in started:
            process.start()
        for process in started:
            process.join()
        kept.extend(started)
        return threads_and_fds()

    few_left, many_left = run(few), run(9 * few)
    assert many_left[0] <= few_left[0] + 2  # ours may start meanwhile, but none for each
    assert many_left[1] <= few_left[1]
    assert zombies() == []


def test_destroy_does_not_wait_for_the_grace_of_one_that_obeys(tmp_path: Path) -> None:
    held = Fifo(tmp_path / "held")
    process = DestroyableProcess("fork", held.hear, destroy_grace_period=3600)
    process.start()
    process.destroy()
    assert process.exitcode == -signal.SIGTERM
