"""Nothing that a process, a listener or a stranger does keeps its end from being seen."""

from __future__ import annotations

import multiprocessing
import os
import select
import subprocess
import sys
import threading
from typing import Any

from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.outcome import Returned
from caikit_nb.execution.watcher import stillness, watcher
from tests.execution.test_process_endings import Listener, start_daemon


def test_a_process_that_holds_an_output_pipe_does_not_delay_the_end() -> None:
    listener = Listener()
    process = DestroyableProcess("fork", start_daemon, capture=True, listener=listener)
    process.start()
    process.join(120)
    assert process.ran


def flood_while_messages_go() -> None:
    def flood() -> None:
        while True:
            os.write(1, b"x" * 65536)

    threading.Thread(target=flood, daemon=True).start()
    flood()


def test_a_flood_of_output_does_not_keep_the_watcher_from_others() -> None:
    listener = Listener()
    flood = DestroyableProcess("fork", flood_while_messages_go, capture=True, listener=listener)
    flood.start()
    assert listener.first_output.wait(120)
    other = DestroyableProcess("fork", int, return_result=True)
    other.start()
    other.join(120)
    assert other.ran
    flood.destroy()


def test_a_child_that_somebody_else_waited_for_still_ends() -> None:
    held = threading.Event()
    process = DestroyableProcess("fork", int, gated=True, return_result=True)
    process.start()
    watcher.call_soon(lambda: held.wait(120))
    process.open_gate()
    os.waitpid(process.pid, 0)
    held.set()
    process.join(120)
    assert process.ran
    assert process.get_or_throw() == 0


def test_starting_many_while_others_reap_loses_none() -> None:
    stop = threading.Event()

    def reap() -> None:
        while not stop.is_set():
            multiprocessing.active_children()

    reaper = threading.Thread(target=reap)
    reaper.start()
    processes = [DestroyableProcess("fork", int, return_result=True) for _ in range(100)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    stop.set()
    reaper.join()
    assert [p.ran and p.get_or_throw() for p in processes] == [0] * 100


class RaisingListener(Listener):
    def on_output(self, stream: str, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    def on_message(self, message: Any) -> None:
        raise RuntimeError("a broken listener")


def test_a_listener_that_raises_does_not_lose_the_end() -> None:
    listener = RaisingListener()
    process = DestroyableProcess(
        "fork", lambda: print("x"), capture=True, return_result=True, listener=listener
    )
    process.start()
    process.join(120)
    assert process.ran
    assert isinstance(listener.outcome, Returned)


def corrupt_results() -> None:
    for name in os.listdir("/proc/self/fd"):
        if "memfd:caikit_nb" in os.readlink(f"/proc/self/fd/{name}"):
            os.ftruncate(int(name), 1 << 20)
            os.lseek(int(name), 0, 0)
    raise ValueError("x")


def test_a_call_that_writes_into_our_own_file_still_ends() -> None:
    process = DestroyableProcess("fork", corrupt_results)
    process.start()
    process.join(120)
    assert process.ran


SILENT_CHILD = """
import os, threading
from caikit_nb.execution import process_reader
from caikit_nb.execution.destroyable_process import DestroyableProcess

process_reader.SIGN_OF_LIFE_S = 0.3
held = threading.Lock()
held.acquire()
os.register_at_fork(after_in_child=held.acquire)  # as if a thread that isn't copied held it
process = DestroyableProcess("fork", print)
process.start()
process.join(120)
print(process._outcome.explanation)
"""


def test_a_forked_child_that_is_stuck_from_the_start_is_ended() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SILENT_CHILD],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    assert "gave no sign of life after the fork" in ended.stdout


def test_a_child_that_was_not_heard_in_time_as_nobody_listened_is_not_ended() -> None:
    process = DestroyableProcess("fork", int, gated=True, return_result=True)
    with stillness.wanted():  # the watcher stands, as where a cell holds the interpreter
        process.start()
        reader, channel = process._reader, process._channel
        assert reader is not None
        assert channel is not None
        assert select.select([channel.line], [], [], 60)[0]
        watcher.call_soon(reader._give_up)  # in the same step as it begins to listen
    ended = threading.Event()
    watcher.call_soon(lambda: watcher.call_soon(ended.set))  # it would have been ended by then
    assert ended.wait(120)
    process.open_gate()
    process.join(120)
    assert process.get_or_throw() == 0
