"""Values that a job keeps beside its result.

These are its inputs, so that it can be replayed, and variables that its cell has made and nobody
has asked for. The job itself pickles them, up to a limit, so they cost the kernel nothing. The
user's code hasn't asked for that, and none of it is run: what has a `__getstate__` of the user's
own isn't kept. Few bytes the job sends to the kernel, where they stay with the job's record; more
it writes into a file in its directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caikit_nb.errors import ReplayError, UnpicklableError
from caikit_nb.execution import user_code
from caikit_nb.execution.call import Port
from caikit_nb.execution.messages import Message, decode_bytes
from caikit_nb.execution.transfer import Entry, Store, Writer, open_memory_file
from caikit_nb.jobs.job_directory import open_in_job_directory

INPUTS, MADE = "inputs", "made"  # the kinds, also of the messages
_ALL = "all of them"  # the name of all together: no variable has it
_SENT_BYTES = 1024  # of a job's record no more than what else it weighs
_PIECE_BYTES = 1 << 20
_LENGTH = struct.Struct("<Q")  # at the end: how long the index is, which lies before it
# Whose arrays say how large they are, and are copied as a whole when they are pickled.
_ARRAY_MODULES = ("torch", "cupy", "jax", "jaxlib", "tensorflow")


@dataclass(frozen=True, slots=True)
class Keeping:
    """Where a job keeps values, and how much of them.

    Attributes:
        directory: The job's.
        inputs_bytes: Of its inputs; what is larger isn't kept.
        made_bytes: Of what it has made.
    """

    directory: str
    inputs_bytes: int
    made_bytes: int


def keep_inputs(
    keeping: Keeping | None, inputs: Callable[[], Mapping[str, Any]], port: Port
) -> None:
    """Keep the inputs; a job must never fail of it."""
    if keeping is None or keeping.inputs_bytes <= 0:
        return
    with contextlib.suppress(Exception):
        _keep(INPUTS, inputs(), keeping.inputs_bytes, keeping.directory, port)


def keep_made(keeping: Keeping | None, made: Mapping[str, Any], port: Port) -> None:
    """Keep what was made, and tell of it; a job must never fail of it."""
    if keeping is None or keeping.made_bytes <= 0 or not made:
        return
    with contextlib.suppress(Exception):
        _keep(MADE, made, keeping.made_bytes, keeping.directory, port)


def _keep(
    kind: str, values: Mapping[str, Any], limit_bytes: int, directory: str, port: Port
) -> None:
    fd = open_memory_file()
    try:
        kept = _pickle(kind, values, fd, limit_bytes)
        message: dict[str, Any] = {"kind": kind}
        if kind == MADE:
            message["names"] = kept
            message["left"] = [name for name in values if name not in kept]
        if os.fstat(fd).st_size <= _SENT_BYTES:
            message["data"] = os.pread(fd, _SENT_BYTES, 0)
        else:
            _write(fd, Path(directory), kind)
        port.send(message)
    finally:
        os.close(fd)


def _pickle(kind: str, values: Mapping[str, Any], fd: int, limit_bytes: int) -> list[str]:
    """Returns the names of those that could be."""
    writer = Writer(
        fd,
        shared=True,
        # What was made comes to a notebook whose variables are the user's own.
        main_globals=kind == INPUTS,
        limit_bytes=limit_bytes,
        reduced=lambda obj: _refuse(obj, limit_bytes),
        search_s=0.0,
    )
    entries = [writer.add(_ALL, dict(values))]
    kept = list(values)
    if entries[0].error is not None:  # so that what stands in the way can be named
        entries = [writer.add(name, value) for name, value in values.items()]
        kept = [entry.name for entry in entries if entry.error is None]
    index = json.dumps([entry.to_message() for entry in entries]).encode()
    os.pwrite(fd, index + _LENGTH.pack(len(index)), os.fstat(fd).st_size)
    return kept


def _refuse(obj: object, limit_bytes: int) -> Any:
    if _is_too_large(obj, limit_bytes):
        raise MemoryError("it is too large to be kept")
    return user_code.refuse(obj)


def _is_too_large(obj: Any, limit_bytes: int) -> bool:
    """Whether an array would be copied in vain, maybe from a GPU."""
    root = str(user_code.module_of(type(obj))).partition(".")[0]
    if root not in _ARRAY_MODULES:
        return False
    size = getattr(obj, "nbytes", 0)
    return isinstance(size, int) and size > limit_bytes


def _write(fd: int, directory: Path, kind: str) -> None:
    draft = directory / f"{kind}.bin.new"
    with open(open_in_job_directory(draft, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        at = 0
        while piece := os.pread(fd, _PIECE_BYTES, at):
            at += file.write(piece)
    draft.replace(directory / f"{kind}.bin")


class KeptValues:
    """The kernel's side: what a job has kept of one kind.

    Args:
        kind: `INPUTS` or `MADE`.
        directory: The job's.

    Attributes:
        names: Of what can be had.
        left: The names of what was made and isn't kept.
        gone: The names of what nobody had taken when it was dropped.
    """

    __slots__ = ("_directory", "_kind", "_sent", "_taken", "gone", "left", "names")

    def __init__(self, kind: str, directory: str) -> None:
        self._kind, self._directory = kind, directory
        self._sent: str | None = None
        self.names: tuple[str, ...] = ()
        self.left: tuple[str, ...] = ()
        self.gone: tuple[str, ...] = ()
        self._taken: tuple[str, ...] = ()  # an empty frozenset of each job would weigh 200 bytes

    @property
    def untaken(self) -> list[str]:
        """The names of those that nobody has taken."""
        return [name for name in self.names if name not in self._taken]

    def take(self, message: Message) -> None:
        """The job has kept them."""
        self._sent, self.names = message.get("data"), tuple(message.get("names", ()))
        self.left = tuple(message.get("left", ()))

    def load(self) -> dict[str, Any]:
        """The values again; an `UnpicklableError` in the place of one that can't be had.

        Raises:
            LookupError: they were not kept, or their time is over.
        """
        try:
            fd = self._open()
            entries = [Entry.from_message(entry) for entry in json.loads(_index(fd))]
        except (OSError, ValueError, KeyError, TypeError, struct.error):
            raise LookupError("they were not kept") from None
        values = Store(fd).load_all(entries)
        together: Any = values.get(_ALL, values)
        if isinstance(together, UnpicklableError):
            return dict.fromkeys(self.names or (_ALL,), together)
        return dict(together)

    def _open(self) -> int:
        if self._sent is None:
            path = Path(self._directory, f"{self._kind}.bin")
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fd = open_memory_file()
        os.pwrite(fd, decode_bytes(self._sent), 0)
        return fd

    def mark_taken(self, names: Collection[str]) -> None:
        """Somebody has these."""
        self._taken += tuple(names)

    def drop(self) -> None:
        """Forget them."""
        self.gone = self.gone or tuple(self.untaken)
        self._sent, self.names = None, ()
        with contextlib.suppress(OSError):
            Path(self._directory, f"{self._kind}.bin").unlink()


class _Nothing(KeptValues):
    """A job that has kept nothing."""

    __slots__ = ()

    def load(self) -> dict[str, Any]:
        """Raises LookupError."""
        raise LookupError("nothing was kept")


NOTHING = _Nothing(MADE, "")


def replay_inputs(kept: KeptValues, name: str) -> dict[str, Any]:
    """A job's inputs again.

    Args:
        kept: They.
        name: The job's name, for people.

    Raises:
        ReplayError: they were not kept, or one of them can't be had.
    """
    try:
        values = kept.load()
    except LookupError:
        raise ReplayError(name, "its inputs were not kept") from None
    for value in values.values():
        if isinstance(value, UnpicklableError):
            raise ReplayError(name, str(value))
    return values


def _index(fd: int) -> bytes:
    end = os.fstat(fd).st_size - _LENGTH.size
    (length,) = _LENGTH.unpack(os.pread(fd, _LENGTH.size, end))
    return os.pread(fd, length, end - length)
