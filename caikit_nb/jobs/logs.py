"""What a job prints: all of it in a file up to a cap, its head and tail in memory."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
from collections import deque
from pathlib import Path

from caikit_nb.jobs.job_directory import open_in_job_directory
from caikit_nb.jobs.playback import played

HEAD_BYTES = 64 * 2**10
TAIL_BYTES = 256 * 2**10
MAX_FILE_BYTES = 256 * 2**20

_ROWS_ABOVE = 16  # so far up a cursor may have gone from the last lines


class LogSpool:
    """The output of one job. Written by the watcher, read by anyone.

    Args:
        path: The file; it is made private to the user. None keeps head and tail only.
        max_file_bytes: What the file may hold; beyond it only the tail in memory goes on.
    """

    __slots__ = (
        "_fd",
        "_file_size",
        "_head",
        "_lock",
        "_max_file_bytes",
        "_path",
        "_tail",
        "_tail_size",
        "size_bytes",
    )

    def __init__(self, path: Path | None, max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self._path = None if path is None else os.fspath(path)  # a Path is large
        self._max_file_bytes = max_file_bytes
        self._head = b""
        self._tail: deque[bytes] | tuple[()] = ()  # an empty deque is large
        self._tail_size = 0
        self._fd: int | None = None
        self._file_size = 0
        self._lock = threading.Lock()
        self.size_bytes = 0

    def append(self, data: bytes) -> None:
        """Add output."""
        with self._lock:
            self._append(data)

    def _append(self, data: bytes) -> None:
        self.size_bytes += len(data)
        self._append_to_file(data)
        if len(self._head) < HEAD_BYTES:
            room = HEAD_BYTES - len(self._head)
            self._head += data[:room]
            data = data[room:]
        if data:
            self._append_to_tail(data)

    def _append_to_tail(self, data: bytes) -> None:
        if isinstance(self._tail, tuple):
            self._tail = deque()
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) >= TAIL_BYTES:
            self._tail_size -= len(self._tail.popleft())

    def _append_to_file(self, data: bytes) -> None:
        if self._path is None or self._file_size >= self._max_file_bytes:
            return
        try:
            if self._fd is None:
                self._fd = open_in_job_directory(self._path, os.O_WRONLY | os.O_APPEND)
            self._file_size += os.write(self._fd, data)
        except OSError:  # the disk is full or the directory gone: head and tail go on
            self._max_file_bytes = 0

    def end(self, count: int) -> bytes:
        """The last bytes, at most `count`; for whoever writes the log."""
        data = b""
        for piece in itertools.chain(reversed(self._tail), (self._head,)):
            data = piece[-count:] + data
            if len(data) >= count:
                break
        return data[-count:]

    def close(self) -> None:
        """No more output will come."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
        if not self._file_size:
            self._path = None

    @property
    def path(self) -> Path | None:
        """The file, if it holds all of the output."""
        return Path(self._path) if self._path and self._file_size == self.size_bytes else None

    @property
    def held_bytes(self) -> int:
        """Bytes on disk and in memory."""
        return self._file_size + len(self._head) + self._tail_size

    def drop(self) -> None:
        """Forget everything, the file included."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        self.close()
        self._head, self._tail_size, self._file_size = b"", 0, 0
        self._tail = ()
        if self._path is not None:
            Path(self._path).unlink(missing_ok=True)
            self._path = None

    def text(self, tail: int | None = None, *, raw: bool = False) -> str:
        """The output; only the last `tail` lines if given.

        Where it is longer than what was kept, a line says how much is left out.

        Args:
            tail: How many lines; None for all that was kept.
            raw: As it was printed, with each state of a line that was printed over and over;
                else as it stands on a terminal's screen.
        """
        with self._lock:
            data = self._kept() if tail is None else self._last_lines(tail + _ROWS_ABOVE)
        text = data.decode("utf-8", "replace")
        text = text if raw else played(text)
        return text if tail is None else _last_lines(text, tail)

    def _kept(self) -> bytes:
        if self._path is not None and self._file_size == self.size_bytes:
            return Path(self._path).read_bytes() if self.size_bytes else b""
        return self._remembered()

    def _last_lines(self, lines: int) -> bytes:
        data = self._remembered()
        start = len(data) - 1  # a line's end at the very end begins no line
        for _ in range(lines):
            start = data.rfind(b"\n", 0, max(start, 0))
            if start < 0:
                break
        return data[start + 1 :]

    def read(self, start: int, end: int) -> bytes:
        """The output from byte `start` to `end`, without what is not kept of it."""
        with self._lock:
            if end <= len(self._head):
                return self._head[start:end]
            tail_start = self.size_bytes - self._tail_size
            if start < tail_start and self._file_size >= end and self._path is not None:
                with contextlib.suppress(OSError), open(self._path, "rb") as file:
                    file.seek(start)
                    return file.read(end - start)
            tail = b"".join(self._tail)
            return self._head[start:] + tail[max(0, start - tail_start) : max(0, end - tail_start)]

    def _remembered(self) -> bytes:
        tail = b"".join(tuple(self._tail))
        left_out = self.size_bytes - len(self._head) - len(tail)
        if left_out <= 0 or not self._head:  # without a head it was dropped
            return self._head + tail
        where = f"; the first {self._file_size} bytes are in {self._path}" if self._path else ""
        note = f"\n[… {left_out} bytes left out{where} …]\n"
        return self._head + note.encode() + tail


def _last_lines(text: str, lines: int) -> str:
    if lines <= 0:
        return ""
    rows = text.split("\n")
    ended = rows[-1] == ""
    return "\n".join(rows[-lines - ended :])
