"""A server's unix socket, as a file."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from caikit_nb.errors import ServerError


class SocketFile:
    """It is made beside its path and put there once the server listens.

    So it takes an older server's place without a moment in which there is none, and that one,
    when it stops, finds only its own file gone.

    Args:
        path: Where clients look for it.
        takes_over: Somebody may listen there still.

    Attributes:
        hidden: Where the server has to make it.

    Raises:
        ServerError: somebody else listens there.
    """

    def __init__(self, path: Path, *, takes_over: bool) -> None:
        self._path, self._inode = path, 0
        self.hidden = path.with_name(f"{path.name}~")
        if not takes_over and _is_in_use(path):
            raise ServerError("somebody listens there")

    def show(self) -> None:
        """Put it at its path."""
        self._inode = self.hidden.stat().st_ino
        self.hidden.replace(self._path)

    def remove(self) -> None:
        """Delete it, unless another server's is there now."""
        with contextlib.suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()


def remove_if_dead(path: Path) -> None:
    """Delete the file of a server that was killed."""
    with contextlib.suppress(OSError):
        if not _is_in_use(path):
            path.unlink()


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """What is made meanwhile is for this user alone."""
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)


def _is_in_use(path: Path) -> bool:
    """A socket that nobody listens at any more is in nobody's way."""
    with socket.socket(socket.AF_UNIX) as tried:
        tried.settimeout(1.0)
        try:
            tried.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
