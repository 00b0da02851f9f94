"""The guard: a small process that ends what a kernel started, once the kernel is gone.

It runs as ``python -I -S guard.py KERNEL_PID FIRST LAST`` with the standard library only. Every
process of a job carries a mark: the soft limit ``RLIMIT_RTTIME``, set to a number of the job's
own. The limit has no effect outside real-time scheduling, is inherited through fork, exec, setsid
and an emptied environment, and is readable in ``/proc/PID/limits`` after the job itself is dead.
So the whole tree is found by one look at ``/proc``, daemons included. A process that has set the
limit itself is found by what it descends from: a job's process adopts the orphans of its tree.

The guard is two processes, of which the second is nobody's child: whoever kills the kernel and
what it has started doesn't meet that one.

The package uses the same functions for cancel, timeout and the normal end of a job.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shutil
import signal
import stat
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

MARKER_FILE = ".caikit_nb"  # only directories that hold it are ever deleted
MARKS_PER_KERNEL = 1 << 24
GUARD_MARK = 1 << 61  # of guards, which outlive a job that has started them
_FIRST_MARK = 1 << 62  # in microseconds 146,000 years: no other use of the limit comes near
_KERNELS = 1 << 38  # so many different beginnings there are
_LIMIT_LINE = b"Max realtime timeout"
_READ_BYTES = 1 << 16
_OVER = b"\0"  # the name of no directory: all is done
_RUNS_ON_S = 0.002  # between two sweeps, in which the killed ones go
_STATE, _PARENT, _SESSION, _START = 0, 1, 3, 19  # of the fields behind the name in /proc/PID/stat


class Process(NamedTuple):
    """A process, told from a later one with its number.

    Attributes:
        pid: Its number.
        start: When it began, as the system writes it.
    """

    pid: int
    start: bytes


def new_marks() -> int:
    """The first of a kernel's marks, which no other kernel has: they are drawn at random.

    Numbers of processes aren't unique: those of another container, which has its own, may be seen
    here as well.
    """
    return _FIRST_MARK + int.from_bytes(os.urandom(8)) % _KERNELS * MARKS_PER_KERNEL


def set_mark(mark: int) -> None:
    """Mark this process and all that it will start."""
    _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    resource.setrlimit(resource.RLIMIT_RTTIME, (mark, hard))


def mark_of(pid: int) -> int:
    """The mark a process carries; 0 for none, or for a process that is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/limits", "rb") as file:
            text = file.read()
    except OSError:
        return 0
    at = text.find(_LIMIT_LINE)
    soft = text[at + len(_LIMIT_LINE) :].split(None, 1)[0] if at >= 0 else b""
    return int(soft) if soft.isdigit() else 0


def marked(first: int, last: int) -> Iterator[int]:
    """The live processes whose mark lies in ``first..last``."""
    return (pid for pid, _ in marks(first, last))


def marks(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The same, each with its mark."""
    for pid in _within_reach():
        mark = mark_of(pid)
        if mark and first <= mark <= last and _is_alive(_stat(pid)):
            yield pid, mark


def _within_reach() -> Iterator[int]:
    """The other processes that this one may end: all of root's, else those of its own user."""
    me, uid = os.getpid(), os.geteuid()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == me:
            continue
        with contextlib.suppress(OSError):
            if uid == 0 or entry.stat().st_uid == uid:
                yield int(entry.name)


def _stat(pid: int) -> list[bytes]:
    """What the system says of a process; nothing if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []


def _is_alive(fields: list[bytes]) -> bool:
    return bool(fields) and fields[_STATE] not in (b"Z", b"X")


def living(processes: Iterable[Process]) -> set[Process]:
    """Those that have not ended."""
    known = set(processes)
    return known.intersection(_living(process.pid for process in known))


def _living(pids: Iterable[int]) -> list[Process]:
    each = ((pid, _stat(pid)) for pid in pids)
    return [Process(pid, fields[_START]) for pid, fields in each if _is_alive(fields)]


def below(pids: Iterable[int]) -> list[int]:
    """All that processes have started, and what those have; zombies too, and no guard."""
    children = _reader_of_children()
    ahead = list(pids)
    known = {os.getpid(), *ahead}
    found: list[int] = []
    while ahead:
        for child in children(ahead.pop()):
            if child not in known and mark_of(child) != GUARD_MARK:
                known.add(child)
                found.append(child)
                ahead.append(child)
    return found


def _reader_of_children() -> Callable[[int], list[int]]:
    if os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        return _children
    parents: dict[int, list[int]] = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        if fields := _stat(pid):
            parents.setdefault(int(fields[_PARENT]), []).append(pid)
    return lambda pid: parents.get(pid, [])


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has ended meanwhile
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def strays(pids: Iterable[int], mark: int) -> set[Process]:
    """What those of a mark have started that doesn't have it any more."""
    return set(_living(pid for pid in below(pids) if mark_of(pid) != mark))


def _members(first: int, last: int, leader: int) -> tuple[list[Process], list[Process]]:
    """The living processes that have a mark, and the others that belong to them.

    Args:
        first: The least mark.
        last: The greatest.
        leader: The number of the job's process, whose session they may be in; 0 for none.
    """
    known = list(marked(first, last))
    # It had no mark yet, or has set the limit itself; no other session may have its number.
    others = [] if not leader else [p for p in _within_reach() if _session(p) == leader]
    found = set(known)
    others = [pid for pid in {*others, *below([*known, *others])} if pid not in found]
    return _living(known), _living(others)


def _session(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[_SESSION]) if fields else 0


def signal_marked(first: int, last: int, number: int, leader: int = 0) -> list[int]:
    """Send a signal to every process of a job or of a kernel's jobs; returns whom it reached.

    Args:
        first: The least mark.
        last: The greatest.
        number: The signal.
        leader: The number of the job's process; 0 for none.
    """
    known, others = _members(first, last, leader)
    # Who adopts orphans goes last.
    return [process.pid for process in (*others, *known) if _send(process, number)]


def _send(process: Process, number: int) -> bool:
    """Signal by pidfd, so that a number reused meanwhile can't hit a stranger."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:
        return False
    try:
        fields = _stat(process.pid)
        if not fields or fields[_START] != process.start:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def kill_marked(
    first: int,
    last: int,
    patience_s: float = 5.0,
    leader: int = 0,
    strays: Collection[Process] = (),
) -> set[int]:
    """SIGKILL the processes of a job, or of a kernel's jobs, until none is left.

    One that forks faster than it dies gives a race, so the sweep repeats until it finds nothing.
    Those with a mark can be found at any time; so they are stopped until what they have started,
    and what came to them as orphans, has been found and ended.

    Args:
        first: The least mark.
        last: The greatest.
        patience_s: How long to try, in seconds.
        leader: The number of the job's process, which is dead; 0 for none.
        strays: Of the job's processes those that were seen to have lost its mark.

    Returns:
        The numbers of those that were found.
    """
    found: set[int] = set()
    give_up = time.monotonic() + patience_s
    while time.monotonic() < give_up:
        # Its number may be a stranger's by now.
        is_dead = not _is_alive(_stat(leader))
        known, others = _members(first, last, leader if is_dead else 0)
        hit = {each.pid for each in {*others, *living(strays)} if _send(each, signal.SIGKILL)}
        number = signal.SIGSTOP if hit else signal.SIGKILL
        hit |= {each.pid for each in known if _send(each, number)}
        if not hit:
            break
        found |= hit
        time.sleep(_RUNS_ON_S)
    return found


def kill_marked_of(first: int) -> set[int]:
    """`kill_marked` for all jobs of a kernel that is gone, given the first of its marks."""
    return kill_marked(first, first + MARKS_PER_KERNEL - 1)


def kill_own(patience_s: float = 5.0) -> set[int]:
    """SIGKILL all that this process has started or adopted; returns those that were found.

    Nothing gets out of the tree of a process that adopts its orphans.
    """
    found: set[int] = set()
    give_up = time.monotonic() + patience_s
    while time.monotonic() < give_up:
        hit = {each.pid for each in _living(below([os.getpid()])) if _send(each, signal.SIGKILL)}
        if not hit:
            break
        found |= hit
        time.sleep(_RUNS_ON_S)
    return found


def remove_marked_directory(path: str) -> bool:
    """Delete a directory tree if it carries our marker file; says whether it did.

    The marker goes last: whoever does this may be killed, and the next one must know it again.
    """
    marker = os.path.join(path, MARKER_FILE)
    if os.path.islink(path) or not os.path.isfile(marker):
        return False
    with contextlib.suppress(OSError):  # somebody else deletes it, too
        for name in os.listdir(path):
            if name != MARKER_FILE:
                _remove(os.path.join(path, name))
        if os.listdir(path) == [MARKER_FILE]:
            os.unlink(marker)
            os.rmdir(path)
    return True


def _remove(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            os.unlink(path)


def main(kernel_pid: int, first: int, last: int) -> None:
    """Wait for the kernel's end, then end its jobs and remove its session directories.

    Standard input names the directories, each with a zero byte behind it. Its end, where it is a
    pipe, is the kernel's end, too: that has become another program by `exec`.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError, ValueError):
        set_mark(GUARD_MARK)
    said = _said_already()
    try:
        kernel = os.pidfd_open(kernel_pid)
    except ProcessLookupError:  # it ended while this interpreter started
        _finish(first, last, said)
        return
    second = _start_second()
    if second is None:
        _finish(first, last, said + _wait_as_second(kernel))
        return
    _finish(first, last, said + _wait_as_first(kernel, second))
    with contextlib.suppress(OSError):
        os.write(second, _OVER)


def _said_already() -> bytes:
    os.set_blocking(0, False)
    try:
        return os.read(0, _READ_BYTES)
    except BlockingIOError:
        return b""
    finally:
        os.set_blocking(0, True)


def _start_second() -> int | None:
    """Start the second process; returns where it hears what this one hears, None in itself."""
    hears, tells = os.pipe()
    child = os.fork()
    if child:
        os.close(hears)
        os.waitpid(child, 0)
        return tells
    if os.fork():
        os._exit(0)
    os.setsid()
    os.dup2(hears, 0)
    os.close(hears)
    os.close(tells)
    return None


def _wait_as_first(kernel: int, second: int) -> bytes:
    """Wait until the kernel has ended; returns what it has said."""
    said = b""
    is_told = stat.S_ISFIFO(os.fstat(0).st_mode)
    poller = select.poll()
    poller.register(kernel, select.POLLIN)
    poller.register(0, select.POLLIN)
    while True:
        ready = dict(poller.poll())
        if 0 not in ready:
            return said
        piece = os.read(0, _READ_BYTES)
        said += piece
        with contextlib.suppress(OSError):
            os.write(second, piece)
        if not piece and is_told:
            return said
        if not piece:
            poller.unregister(0)


def _wait_as_second(kernel: int) -> bytes:
    """Wait until the first has been killed and the kernel has ended; exits if all is done."""
    said = b""
    while piece := os.read(0, _READ_BYTES):
        said += piece
        if said.endswith(2 * _OVER) or said == _OVER:
            os._exit(0)
    poller = select.poll()
    poller.register(kernel, select.POLLIN)
    poller.poll()
    return said


def _finish(first: int, last: int, said: bytes) -> None:
    kill_marked(first, last, patience_s=60.0)
    for name in said.decode(errors="surrogateescape").split("\0"):
        if name:
            remove_marked_directory(name)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
