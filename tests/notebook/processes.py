"""Processes that a test holds on to, and waits for."""

import os
import select
import signal
import time
from collections.abc import Iterator

import psutil


def living_below(pid: int) -> Iterator[tuple[int, list[str]]]:
    """The id and the command of each process that a process and those below it have started.

    One that ends meanwhile is none of them.
    """
    for process in psutil.Process(pid).children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                yield process.pid, process.cmdline()
        except psutil.NoSuchProcess:
            pass


class Watched:
    """Processes, held so that a number reused meanwhile is not taken for one of them."""

    def __init__(self) -> None:
        self._handles: dict[int, str] = {}

    def add(self, pid: int, what: str) -> None:
        """Watch a live process; the test fails if it is gone."""
        self._handles[os.pidfd_open(pid)] = f"{what} ({pid})"

    def add_below(self, pid: int) -> None:
        """Watch all that a process, and those below it, have started."""
        for each, command in living_below(pid):
            try:
                self.add(each, " ".join(command))
            except ProcessLookupError:  # it has just ended
                pass

    def living_after(self, timeout: float) -> list[str]:
        """Wait until all have ended; returns those that have not."""
        give_up = time.monotonic() + timeout
        poller = select.poll()
        for handle in self._handles:
            poller.register(handle, select.POLLIN)
        living = dict(self._handles)
        while living and (left := give_up - time.monotonic()) > 0:
            for handle, _ in poller.poll(1000 * left):
                poller.unregister(handle)
                del living[handle]
        return sorted(living.values())

    def close(self) -> None:
        """Let go of the processes; those that live are ended."""
        for handle in self._handles:
            try:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            except ProcessLookupError:
                pass
            os.close(handle)
