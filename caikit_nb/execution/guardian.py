"""The kernel's side of the guard: starts it, hands out marks, starts another if it dies."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

from caikit_nb.execution import guard
from caikit_nb.execution.forks import NewInFork
from caikit_nb.execution.reports import Reports
from caikit_nb.execution.watcher import watcher

logger = Reports(__name__)

# One that ends sooner can't run here at all, and there is another try with each job.
_SHORTEST_LIFE_S = 0.2

HAS_GUARD = sys.platform == "linux" and hasattr(os, "pidfd_open")


class Guardian(NewInFork):
    """One per process that starts jobs; use the module's `guardian`. A parent's isn't a child's."""

    def _reset(self) -> None:
        # Of a forked child's parent. To free it would warn that it runs.
        self._parents_guard = getattr(self, "_guard", None)
        self._lock = threading.Lock()
        self._guard: subprocess.Popen[bytes] | None = None
        self._line = -1
        self._directories: list[str] = []
        self._first_mark = guard.new_marks()
        self._marks: Iterator[int] = itertools.count(self._first_mark)

    @property
    def first_mark(self) -> int:
        """The first of this process's `guard.MARKS_PER_KERNEL` marks."""
        self._know_fork()
        return self._first_mark

    def next_mark(self) -> int:
        """A mark for a new job; 0 where marks don't exist."""
        if not HAS_GUARD:
            return 0
        self.ensure_running()
        return next(self._marks)

    def ensure_running(self) -> None:
        """Start the guard unless it runs."""
        if not HAS_GUARD:
            return
        self._know_fork()
        with self._lock:
            if self._guard is None or self._guard.poll() is not None:
                self._start()

    @property
    def pid(self) -> int | None:
        """The guard's process id, None while there is none."""
        self._know_fork()
        return None if self._guard is None else self._guard.pid

    def remove_at_end(self, directory: str) -> None:
        """Have a directory of ours removed when this process has ended, in whatever way."""
        self._know_fork()
        with self._lock:
            self._directories.append(directory)
            if self._guard is not None:
                self._tell(directory)

    def _start(self) -> None:
        first, last = self._first_mark, self._first_mark + guard.MARKS_PER_KERNEL - 1
        arguments = [str(number) for number in (os.getpid(), first, last)]
        read, write = os.pipe()
        try:
            # They lie there before it lives: this process may end at any moment.
            os.write(write, b"".join(_entry(directory) for directory in self._directories))
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", guard.__file__, *arguments],
                stdin=read,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            os.close(write)
            raise
        finally:
            os.close(read)
        # No other process may have it: its end tells the guard that this one has gone by `exec`.
        before, self._line = self._line, write
        if before >= 0:
            os.close(before)
        # A guard that a job has started must outlive that job's sweep, to end the job's own jobs.
        with contextlib.suppress(OSError, ValueError):
            _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
            limits = (guard.GUARD_MARK, hard)
            resource.prlimit(self._guard.pid, resource.RLIMIT_RTTIME, limits)
        watcher.call_soon(functools.partial(self._watch, self._guard.pid, time.monotonic()))

    def _watch(self, pid: int, started: float) -> None:
        """Start another guard as soon as this one is gone; runs in the watcher's thread."""
        with contextlib.suppress(OSError):  # it is gone: the next job sees it
            fd = os.pidfd_open(pid)
            watcher.add_reader(fd, functools.partial(self._replace, fd, started))

    def _replace(self, fd: int, started: float) -> None:
        watcher.remove_reader(fd)
        os.close(fd)
        if time.monotonic() - started > _SHORTEST_LIFE_S:
            self.ensure_running()

    def _tell(self, directory: str) -> None:
        try:
            os.write(self._line, _entry(directory))
        except OSError as error:
            logger.warning("the guard can't be reached: %s", error)

    def close_line_in_fork(self) -> None:
        """In a forked child: give up the copy of the parent's line to its guard."""
        if self._line >= 0:
            os.close(self._line)
            self._line = -1


def _entry(directory: str) -> bytes:
    return os.fsencode(directory) + b"\0"


guardian = Guardian()
os.register_at_fork(after_in_child=guardian.close_line_in_fork)
