"""The guard: a small process that ends what a kernel started, once the kernel is gone.

It runs as ``python -I -S guard.py KERNEL_PID FIRST LAST`` with the standard library only. Every
process of a job carries a mark: the soft limit ``RLIMIT_RTTIME``, set to a number of the job's
own. The limit has no effect outside real-time scheduling, is inherited through fork, exec, setsid
and an emptied environment, and is readable in ``/proc/PID/limits`` after the job itself is dead.
So the whole tree is found by one look at ``/proc``, daemons included.

The package uses the same functions for cancel, timeout and the normal end of a job.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator

MARKER_FILE = ".caikit_nb"  # only directories that hold it are ever deleted
MARKS_PER_KERNEL = 1 << 24
_FIRST_MARK = 1 << 50  # in microseconds 35 years: no other use of the limit comes near
_LIMIT_LINE = b"Max realtime timeout"


def first_mark_of(pid: int) -> int:
    """The first of the marks that the kernel process `pid` gives to its jobs."""
    return _FIRST_MARK + pid * MARKS_PER_KERNEL


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
    """The live processes of this user whose mark lies in ``first..last``."""
    return (pid for pid, _ in marks(first, last))


def marks(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The same, each with its mark."""
    me, uid = os.getpid(), os.getuid()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == me:
            continue
        try:
            ours = entry.stat().st_uid == uid
        except OSError:
            continue
        mark = mark_of(int(entry.name)) if ours else 0
        if mark and first <= mark <= last and not _is_zombie(entry.name):
            yield int(entry.name), mark


def _is_zombie(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True


def signal_marked(first: int, last: int, number: int) -> list[int]:
    """Send a signal to every marked process; returns whom it reached."""
    return [pid for pid in marked(first, last) if _send(pid, number, first, last)]


def _send(pid: int, number: int, first: int, last: int) -> bool:
    """Signal by pidfd, so that a number reused meanwhile can't hit a stranger."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not first <= mark_of(pid) <= last:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def kill_marked(first: int, last: int, patience_s: float = 5.0) -> set[int]:
    """SIGKILL marked processes until none is left; returns those that were found.

    One that forks faster than it dies gives a race, so the sweep repeats until it finds nothing.
    """
    found: set[int] = set()
    give_up = time.monotonic() + patience_s
    while time.monotonic() < give_up:
        hit = signal_marked(first, last, signal.SIGKILL)
        if not hit:
            break
        found.update(hit)
        time.sleep(0.002)
    return found


def kill_marked_of(kernel_pid: int) -> set[int]:
    """`kill_marked` for all jobs of a kernel process that is gone."""
    first = first_mark_of(kernel_pid)
    return kill_marked(first, first + MARKS_PER_KERNEL - 1)


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

    Standard input names the directories, one a line.
    """
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    directories = _wait_for_end(kernel_pid)
    kill_marked(first, last, patience_s=60.0)
    for path in directories:
        remove_marked_directory(path)


def _wait_for_end(kernel_pid: int) -> list[str]:
    text = b""
    try:
        kernel = os.pidfd_open(kernel_pid)
    except ProcessLookupError:  # it ended while this interpreter started
        os.set_blocking(0, False)
        with contextlib.suppress(BlockingIOError):
            text = os.read(0, 65536)
        return text.decode(errors="surrogateescape").splitlines()
    poller = select.poll()
    poller.register(kernel, select.POLLIN)
    poller.register(0, select.POLLIN)
    while True:
        ready = dict(poller.poll())
        if 0 in ready:
            piece = os.read(0, 65536)
            text += piece
            if not piece:
                poller.unregister(0)
        elif kernel in ready:
            return text.decode(errors="surrogateescape").splitlines()


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
