"""A job's inputs, kept so that it can be replayed.

The job itself pickles them before it begins, so a forked job costs the kernel nothing for it. The
user's code hasn't asked for that, and none of it is run: what has a `__getstate__` of the user's
own isn't kept. Few bytes the job sends to the kernel, where they stay with the job's record; more
it writes into a file in its directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caikit_nb.errors import ReplayError, UnpicklableError
from caikit_nb.execution import user_code
from caikit_nb.execution.call import Port
from caikit_nb.execution.messages import Message, decode_bytes
from caikit_nb.execution.transfer import Entry, Store, Writer, open_memory_file
from caikit_nb.jobs.job_directory import open_in_job_directory

KIND = "inputs"  # of the message
_FILE = "inputs.bin"
_ALL = "its inputs"  # the name of all of them together: no variable has it
_SENT_BYTES = 1024  # of a job's record no more than what else it weighs
_PIECE_BYTES = 1 << 20
_LENGTH = struct.Struct("<Q")  # at the end: how long the index is, which lies before it


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a job keeps its inputs, and how much of them.

    Attributes:
        directory: The job's.
        limit_bytes: What is larger isn't kept.
    """

    directory: str
    limit_bytes: int


def keep(keeping: Keeping | None, inputs: Callable[[], Mapping[str, Any]], port: Port) -> None:
    """Keep the inputs; a job must never fail of it."""
    if keeping is None or keeping.limit_bytes <= 0:
        return
    with contextlib.suppress(Exception):
        fd = open_memory_file()
        try:
            _pickle(inputs(), fd, keeping.limit_bytes)
            if os.fstat(fd).st_size <= _SENT_BYTES:
                port.send({"kind": KIND, "data": os.pread(fd, _SENT_BYTES, 0)})
            else:
                _write(fd, Path(keeping.directory))
        finally:
            os.close(fd)


def _pickle(inputs: Mapping[str, Any], fd: int, limit_bytes: int) -> None:
    writer = Writer(
        fd,
        shared=True,
        main_globals=True,
        limit_bytes=limit_bytes,
        reduced=user_code.refuse,
        search_s=0.0,
    )
    entries = [writer.add(_ALL, dict(inputs))]
    if entries[0].error is not None:  # so that what stands in the way can be named
        entries = [writer.add(name, value) for name, value in inputs.items()]
    index = json.dumps([entry.to_message() for entry in entries]).encode()
    os.pwrite(fd, index + _LENGTH.pack(len(index)), os.fstat(fd).st_size)


def _write(fd: int, directory: Path) -> None:
    draft = directory / f"{_FILE}.new"
    with open(open_in_job_directory(draft, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        at = 0
        while piece := os.pread(fd, _PIECE_BYTES, at):
            at += file.write(piece)
    draft.replace(directory / _FILE)


class KeptInputs:
    """The kernel's side: what a job has kept.

    Args:
        directory: The job's.
    """

    __slots__ = ("_directory", "_sent")

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._sent: str | None = None

    def take(self, message: Message) -> None:
        """The job has sent them."""
        self._sent = message["data"]

    def read(self, name: str) -> dict[str, Any]:
        """The inputs again.

        Args:
            name: The job's name, for people.

        Raises:
            ReplayError: they were not kept, or one of them can't be had.
        """
        try:
            fd = self._open()
            entries = [Entry.from_message(entry) for entry in json.loads(_index(fd))]
        except (OSError, ValueError, KeyError, TypeError, struct.error):
            raise ReplayError(name, "its inputs were not kept") from None
        values = Store(fd).load_all(entries)
        for value in values.values():
            if isinstance(value, UnpicklableError):
                raise ReplayError(name, str(value))
        together: dict[str, Any] = values.get(_ALL, values)
        return together

    def _open(self) -> int:
        if self._sent is None:
            return os.open(Path(self._directory, _FILE), os.O_RDONLY | os.O_CLOEXEC)
        fd = open_memory_file()
        os.pwrite(fd, decode_bytes(self._sent), 0)
        return fd

    def drop(self) -> None:
        """Forget them."""
        self._sent = None
        with contextlib.suppress(OSError):
            Path(self._directory, _FILE).unlink()


def _index(fd: int) -> bytes:
    end = os.fstat(fd).st_size - _LENGTH.size
    (length,) = _LENGTH.unpack(os.pread(fd, _LENGTH.size, end))
    return os.pread(fd, length, end - length)
