"""A process does not outlive its parent, and a parent that is done does not wait for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.execution.test_destroyable_process import every_method
from tests.fifo import Fifo
from tests.waiting import is_gone_within, until

# The child says who it is, and then holds still for as long as nobody ends it.
PARENT = """
import os, signal, sys
from caikit_nb.execution.destroyable_process import DestroyableProcess
from tests.execution.test_parent_endings import report_and_pause

if __name__ == "__main__":
    method, told, ready, end = sys.argv[1:]
    daemon = end == "return a daemon"
    process = DestroyableProcess(method, report_and_pause, args=(told,), daemon=daemon)
    process.start()
    open(ready).read()
    if end == "pause":
        signal.pause()
    if end == "error":
        os.kill(os.getpid(), signal.SIGSEGV)
    if end == "exit":
        os._exit(0)
"""


def report_and_pause(told: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(told, "w") as file:
        file.write(str(os.getpid()))
    signal.pause()


class Parent:
    """A program that has started one process."""

    def __init__(self, directory: Path, method: str, end: str) -> None:
        told, self.ready = Fifo(directory / "told"), Fifo(directory / "ready")
        script = directory / "parent.py"
        script.write_text(PARENT)
        root = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])}
        environment.pop("PYTHONFAULTHANDLER", None)
        self.process = subprocess.Popen(
            [sys.executable, str(script), method, told.path, self.ready.path, end],
            env=environment,
        )
        self.child = int(told.hear())
        self.ready.say()

    def end(self, number: int) -> None:
        self.process.send_signal(number)


@every_method
def test_a_parent_that_is_killed_takes_its_process_along(method: str, tmp_path: Path) -> None:
    parent = Parent(tmp_path, method, "pause")
    parent.end(signal.SIGKILL)
    assert parent.process.wait(120) == -signal.SIGKILL
    assert is_gone_within(parent.child)


@every_method
def test_a_parent_that_is_terminated_takes_its_process_along(method: str, tmp_path: Path) -> None:
    parent = Parent(tmp_path, method, "pause")
    parent.end(signal.SIGTERM)
    assert parent.process.wait(120) == -signal.SIGTERM
    assert is_gone_within(parent.child)


@pytest.mark.parametrize(("end", "code"), [("error", -signal.SIGSEGV), ("exit", 0)])
@every_method
def test_a_parent_that_ends_without_cleaning_up_takes_its_process_along(
    method: str, end: str, code: int, tmp_path: Path
) -> None:
    parent = Parent(tmp_path, method, end)
    assert parent.process.wait(120) == code
    assert is_gone_within(parent.child)


@pytest.mark.parametrize("end", ["return", "return a daemon"])
@every_method
def test_a_parent_that_is_done_does_not_wait_for_its_process(
    method: str, end: str, tmp_path: Path
) -> None:
    parent = Parent(tmp_path, method, end)
    assert parent.process.wait(120) == 0
    assert is_gone_within(parent.child)


# It ends itself in the moment in which its process is made, when that has no mark yet.
SUDDEN = """
import os, signal, sys, time
from caikit_nb.execution.destroyable_process import DestroyableProcess

if __name__ == "__main__":
    warm = DestroyableProcess(sys.argv[1], time.sleep, args=(0,))
    warm.start()
    warm.join()
    process = DestroyableProcess(sys.argv[1], time.sleep, args=(600,), daemon=True)
    process.start()
    time.sleep(float(sys.argv[2]))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def living_with(word: str) -> list[int]:
    """The processes that have a word in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and word in (entry / "environ").read_bytes().decode():
                found.append(int(entry.name))
        except (OSError, UnicodeDecodeError):
            continue
    return found


@every_method
def test_a_parent_that_dies_while_its_process_is_made_leaves_nothing(
    method: str, tmp_path: Path
) -> None:
    script = tmp_path / "sudden.py"
    script.write_text(SUDDEN)
    word = uuid.uuid4().hex
    root = str(Path(__file__).parents[2])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([root, *sys.path]),
        "CAIKIT_NB_TEST_WORD": word,
    }
    arguments = [sys.executable, str(script), method]
    for delay_ms in (0, 0, 1, 2, 4, 8):
        process = subprocess.Popen([*arguments, str(delay_ms / 1000)], env=environment)
        assert process.wait(120) == -signal.SIGKILL
    until(lambda: not living_with(word), "its processes to end")
