"""Which directories of jobs belong to a kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from caikit_nb.jobs import paths


def session_directories(kernel_pid: int) -> list[Path]:
    """The directories of a kernel's sessions.

    Args:
        kernel_pid: The process that the server has started. The kernel may be a child of it:
            some kernelspecs start a wrapper.
    """
    try:
        kernel = psutil.Process(kernel_pid)
        found = {path: paths.owner_of(path) for path in _directories(kernel)}
        own = [path for path, pid in found.items() if pid == kernel_pid]
        if own or not any(found.values()):
            return own
        below = {child.pid for child in kernel.children(recursive=True)}
    except (psutil.Error, OSError):
        return []
    return [path for path, pid in found.items() if pid in below]


def _directories(kernel: psutil.Process) -> Iterator[Path]:
    """The directories of this user's sessions, and nothing that only looks like one."""
    for path in paths.sessions_directory_of(kernel).iterdir():
        if path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.getuid():
            yield path
