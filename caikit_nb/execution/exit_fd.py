"""Descriptors: of a process's exit, and those that are open here."""

from __future__ import annotations

import os
import weakref
from typing import Any


def open_exit_fd(popen: Any) -> int:
    """A descriptor of the caller's own, readable once multiprocessing's `popen` has exited."""
    if popen.method != "forkserver" and hasattr(os, "pidfd_open"):
        try:
            return os.pidfd_open(popen.pid)
        except ProcessLookupError:  # somebody has waited for it already
            readable, write = os.pipe()
            os.close(write)
            return readable
    return os.dup(popen.sentinel)


def open_fds() -> list[int]:
    """The descriptors that are open in this process, and a few that just were."""
    return [int(name) for name in os.listdir("/dev/fd")]


def close_with(owner: object, fd: int) -> None:
    """Close `fd` when `owner` goes; not in a forked copy, where the number may be another's."""
    weakref.finalize(owner, _close_in, os.getpid(), fd).atexit = False


def _close_in(pid: int, fd: int) -> None:
    if os.getpid() == pid:
        os.close(fd)


# Always ready to be read, as its other end is closed.
READY, _unused = os.pipe()
os.close(_unused)
