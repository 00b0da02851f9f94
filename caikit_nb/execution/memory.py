"""How much memory a job has of its own, and whether the system has run out of it.

Resident size says nothing about a forked process, as it counts every page shared with the kernel.
Private pages do: those that the job has allocated or changed since.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import resource
import sys
import threading
import time
from collections.abc import Callable

from caikit_nb.execution import guard
from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.execution.watcher import Timer, watcher

SAMPLE_EVERY_S = 1.0
_CENSUS_S = 0.2  # how long it is true
_SHARE = 50  # reading takes a large process 50 ms, so wait at least 50 times as long as it took
# RLIMIT_DATA counts the whole stacks of threads, of which they use next to nothing.
_STACK_BYTES = 8 * 2**20
_ENDED_STACKS_BYTES = 64 * 2**20  # what the C library keeps of threads that have ended
_THREADS_OF_A_CORE = 4  # of pools that libraries start by themselves, as BLAS does at its import

_sampler = SerialThread("caikit_nb memory")


def private_bytes(pid: int) -> int:
    """The private memory of a process, in bytes; 0 if it is gone or can't be read."""
    with contextlib.suppress(OSError, ValueError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        lines = file.read().split(b"\n")
        kilobytes = [int(line.split()[1]) for line in lines if line.startswith(_PRIVATE)]
        return 1024 * sum(kilobytes)
    return 0


_PRIVATE = (b"Private_Clean:", b"Private_Dirty:", b"Private_Hugetlb:", b"Swap:")


def oom_kills() -> int | None:
    """How many processes the system has ended for want of memory; None if it doesn't say."""
    with contextlib.suppress(OSError), open("/proc/vmstat", "rb") as file:
        _, found, rest = file.read().partition(b"\noom_kill ")
        if found:
            return int(rest.split(None, 1)[0])
    return None


def available_bytes() -> int | None:
    """How much more memory can be used before the machine, or our container, runs out of it."""
    found = [size for size in (_of_machine(), _of_container()) if size is not None]
    return min(found, default=None)


def _of_machine() -> int | None:
    with contextlib.suppress(OSError, ValueError), open("/proc/meminfo", "rb") as file:
        for line in file:
            if line.startswith(b"MemAvailable:"):
                return 1024 * int(line.split()[1])
    return None


def _of_container() -> int | None:
    """What is left of a control group's limit; files that are only cached can be given up."""
    with contextlib.suppress(OSError, ValueError):
        limit = _read("/sys/fs/cgroup/memory.max")
        if limit != b"max":
            stat = dict(line.split() for line in _read("/sys/fs/cgroup/memory.stat").splitlines())
            used = int(_read("/sys/fs/cgroup/memory.current")) - int(stat[b"inactive_file"])
            return max(0, int(limit) - used)
    return None


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read().strip()


def go_first() -> None:
    """Where the machine runs out of memory, have the system end this process and what it starts.

    It chooses by size, and the kernel with the user's data may be larger than the job that asked
    for too much.
    """
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "wb", 0) as file:
        file.write(b"1000")


class _OwnLimit:
    """The memory that this process may allocate; what goes beyond is refused.

    Each thread's stack is let in on top, as the limit is for memory that is used.

    Args:
        limit_bytes: How much more than it has now.
    """

    def __init__(self, limit_bytes: int) -> None:
        with open("/proc/self/status", "rb") as file:
            line = next(line for line in file if line.startswith(b"VmData:"))
        has_bytes = 1024 * int(line.split()[1])
        pools = _THREADS_OF_A_CORE * (os.cpu_count() or 1)
        self._without_threads = has_bytes + limit_bytes + _ENDED_STACKS_BYTES
        self._without_threads += pools * _stack_bytes()
        self._is_lifted = False
        self._set(self._without_threads)
        self._hear_of_threads()

    def lift(self) -> None:
        """Let everything in again."""
        self._is_lifted = True
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))

    def _hear_of_threads(self) -> None:
        start = threading.Thread.start

        @functools.wraps(start)
        def start_with_stack(thread: threading.Thread) -> None:
            run = thread.run

            def run_and_give_back() -> None:
                try:
                    run()
                finally:
                    self._let_in_stacks(-1)
                    vars(thread).pop("run", None)  # it would hold the thread in a circle

            thread.run = run_and_give_back  # type: ignore[method-assign]
            self._let_in_stacks(1)
            start(thread)

        threading.Thread.start = start_with_stack  # type: ignore[assignment, method-assign]

    def _let_in_stacks(self, more: int) -> None:
        """Those of the threads that there are now, and some more."""
        if not self._is_lifted:
            threads = more + len(os.listdir("/proc/self/task"))
            self._set(self._without_threads + threads * _stack_bytes())

    def _set(self, soft: int) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard != resource.RLIM_INFINITY:
            soft = min(soft, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _stack_bytes() -> int:
    """Of a thread that is started now."""
    chosen = threading.stack_size()
    if chosen:
        return chosen
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return _STACK_BYTES if soft == resource.RLIM_INFINITY else soft


_own_limit: _OwnLimit | None = None


def limit_own_memory(limit_bytes: int) -> None:
    """Let this process allocate `limit_bytes` more than it has, and no more.

    What goes beyond is refused, which Python raises as MemoryError. The stacks of threads don't
    count: of what they use of those, `MemoryWatch` hears.
    """
    global _own_limit
    _own_limit = _OwnLimit(limit_bytes)


def lift_own_limit() -> None:
    """Take `limit_own_memory` back, so that an error about it can be told."""
    if _own_limit is not None:
        _own_limit.lift()


class _Census:
    """The processes of all jobs by their marks, in the sampler's thread.

    To find them is a look at each process of the machine, so that all watches share it.
    """

    def __init__(self) -> None:
        self._by_mark: dict[int, list[int]] = {}
        self._taken_at = -math.inf

    def processes(self, mark: int) -> list[int]:
        """Those with that mark, as they were a moment ago."""
        if time.monotonic() - self._taken_at > _CENSUS_S:
            self._by_mark = {}
            for pid, found in guard.marks(1, sys.maxsize):
                self._by_mark.setdefault(found, []).append(pid)
            self._taken_at = time.monotonic()
        return self._by_mark.get(mark, [])


_census = _Census()


class MemoryWatch:
    """Samples the memory of a job's processes, once a second, and tells when it is too much.

    Args:
        pid: The job's process.
        mark: The mark of all its processes; 0 to look at `pid` alone.
        limit_bytes: What they may have together; None for as much as they like.
        on_excess: Called once, in a thread of ours, when they have more.

    Attributes:
        peak_bytes: The most that was seen.
        exceeded: Whether they had more than that.
        strays: Those that have no longer the job's mark.
    """

    def __init__(
        self,
        pid: int,
        mark: int,
        limit_bytes: int | None,
        on_excess: Callable[[], object],
    ) -> None:
        self._pid, self._mark, self._limit_bytes = pid, mark, limit_bytes
        self._on_excess: Callable[[], object] = on_excess
        self._timer: Timer | None = None
        self.peak_bytes = 0
        self.exceeded = False
        self.strays: set[guard.Process] = set()

    def start(self) -> None:
        """Begin to sample."""
        self._timer = watcher.call_later(self._first_s(), self._plan)

    def _first_s(self) -> float:
        return SAMPLE_EVERY_S if self._limit_bytes is None else SAMPLE_EVERY_S / 4

    @property
    def peak_text(self) -> str:
        """The most memory that was seen, in words; empty if none was."""
        if not self.peak_bytes:
            return ""
        return f" (most seen: {in_words(self.peak_bytes, self._limit_bytes)} of its own)"

    @property
    def verdict(self) -> str:
        """Why it was ended."""
        limit = in_words(self._limit_bytes or 0)
        return f"the job was ended past its memory limit of {limit}{self.peak_text}"

    def stop(self) -> None:
        """Sample no more."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def forget(self) -> None:
        """Let go of whom to tell."""
        self.stop()
        self._on_excess = int

    def _plan(self) -> None:
        _sampler.put(self._sample)

    def _sample(self) -> None:
        if self._timer is None:
            return
        began = time.monotonic()
        try:
            now_bytes = sum(private_bytes(pid) for pid in self._processes())
        except OSError:  # no descriptor is left to look at processes with: the next look has some
            now_bytes = 0
        self.peak_bytes = max(self.peak_bytes, now_bytes)
        if self._limit_bytes is not None and now_bytes > self._limit_bytes:
            self.exceeded = True
            self.stop()
            self._on_excess()
            return
        took_s = time.monotonic() - began
        if self._timer is not None:
            self._timer = watcher.call_later(max(self._first_s(), _SHARE * took_s), self._plan)

    def _processes(self) -> list[int]:
        if not self._mark:
            return [self._pid]
        marked = _census.processes(self._mark)
        self.strays = guard.strays({self._pid, *marked}, self._mark) | guard.living(self.strays)
        return [*marked, *(stray.pid for stray in self.strays)]


def in_words(size_bytes: int, like: int | None = None) -> str:
    """A size for people, in the unit that `like` (or it itself) was given in, by its looks."""
    given = like or size_bytes
    unit, name = (10**6, "MB") if given % 10**6 == 0 else (2**20, "MiB")
    return f"{size_bytes / unit:.0f} {name}"
