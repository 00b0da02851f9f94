"""The directory of a job in that of its session: marked, private to the user.

A job's own process uses it, and so it needs little.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from caikit_nb.execution.guard import MARKER_FILE


def open_in_job_directory(path: str | Path, flags: int) -> int:
    """Open a file of a job's, which is made if it isn't there; its directory with the first.

    Raises:
        OSError: it can't be opened; FileNotFoundError if the session is gone.
    """
    try:
        return _open_private(path, flags)
    except FileNotFoundError:
        make_job_directory(Path(path).parent)
        return _open_private(path, flags)


def _open_private(path: str | Path, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def make_job_directory(path: Path) -> None:
    """Make a job's directory in that of its session, unless it is there.

    Raises:
        FileNotFoundError: the session is gone.
    """
    (path.parent / MARKER_FILE).stat()
    path.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        write_private(path / MARKER_FILE, "")


def write_private(path: Path, text: str, *, dir_fd: int | None = None) -> None:
    """Make a new file that only this user can read; below an open directory if one is given."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=dir_fd)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
