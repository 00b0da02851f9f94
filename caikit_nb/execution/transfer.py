"""Values from one process to another through a memory file, each name on its own.

The writer pickles each value with protocol 5; the large buffers inside it (arrays, DataFrames)
go out of band, straight into the file. The reader maps the file copy-on-write, so an array comes
back writable and without a copy, and one value that can't be pickled or read loses only itself.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import cloudpickle

from caikit_nb.errors import UnpicklableError
from caikit_nb.execution.unpicklable import explain_unpicklable

_ALIGNMENT = 64  # the largest alignment that NumPy kernels ask for
_COPIED_BYTES = 1 << 16  # a map keeps a descriptor open, so small files are read instead


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one value lies in the file, or why it isn't there.

    Attributes:
        name: The value's name.
        spans: ``(offset, length)`` in bytes: the pickle first, then its buffers.
        type_name: The value's type, for people.
        error: Why it could not be pickled; None if it was.
    """

    name: str
    spans: tuple[tuple[int, int], ...]
    type_name: str
    error: str | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes in the file."""
        return sum(length for _, length in self.spans)

    def to_message(self) -> dict[str, Any]:
        """Plain data for a message frame."""
        return asdict(self)

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> Entry:
        """The inverse of `to_message`."""
        spans = tuple((int(offset), int(length)) for offset, length in data["spans"])
        return cls(data["name"], spans, data["type_name"], data["error"])


def open_memory_file() -> int:
    """A new anonymous file, in memory where the system has that; returns its descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("caikit_nb", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Writer:
    """Appends values to a memory file."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._end = os.fstat(fd).st_size

    def add(self, name: str, value: object) -> Entry:
        """Write one value. A value that can't be pickled gives an entry that says why."""
        start = self._end
        buffers: list[pickle.PickleBuffer] = []
        try:
            body = _Body(self._fd, start)
            with io.BufferedWriter(body, 1 << 20) as file:
                cloudpickle.Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
        except Exception as error:  # noqa: BLE001 - pickling runs the user's own code
            os.ftruncate(self._fd, start)
            text = explain_unpicklable(name, value, error)
            return Entry(name, (), _type_name(value), text)
        self._end = body.end
        spans = [(start, body.end - start)]
        spans += [self._add_buffer(buffer) for buffer in buffers]
        return Entry(name, tuple(spans), _type_name(value))

    def _add_buffer(self, buffer: pickle.PickleBuffer) -> tuple[int, int]:
        start = -(-self._end // _ALIGNMENT) * _ALIGNMENT
        with buffer.raw() as view:
            self._end = _write_all(self._fd, view, start)
        return start, self._end - start


class _Body(io.RawIOBase):
    def __init__(self, fd: int, start: int) -> None:
        self._fd = fd
        self.end = start

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        with memoryview(data) as view:
            self.end = _write_all(self._fd, view, self.end)
            return view.nbytes


def _write_all(fd: int, view: memoryview, offset: int) -> int:
    done = 0
    while done < view.nbytes:
        done += os.pwrite(fd, view[done : done + (1 << 30)], offset + done)
    return offset + done


class Store:
    """The reader's side of a memory file. It is freed when the last value read is."""

    def __init__(self, fd: int) -> None:
        """Take over `fd`."""
        size = os.fstat(fd).st_size
        try:
            self._memory = _map(fd, size) if size > _COPIED_BYTES else _read(fd, size)
        finally:
            os.close(fd)

    def load(self, entry: Entry) -> Any:
        """The value of an entry, its arrays writable and sharing the file's memory.

        Raises:
            UnpicklableError: the value could not be pickled there, or not be rebuilt here.
        """
        if entry.error is not None:
            raise UnpicklableError(entry.name, entry.error)
        view = memoryview(self._memory)
        body, *buffers = [view[offset : offset + length] for offset, length in entry.spans]
        try:
            return pickle.loads(body, buffers=buffers)  # noqa: S301 - written by our own child
        except Exception as error:
            text = f"{entry.name!r} of type {entry.type_name} can't be rebuilt here: {error}"
            raise UnpicklableError(entry.name, text) from error


def _read(fd: int, size: int) -> bytearray:
    return bytearray(os.pread(fd, size, 0))


def _map(fd: int, size: int) -> mmap.mmap:
    return mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)


def _type_name(value: object) -> str:
    kind = type(value)
    return (
        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    )
