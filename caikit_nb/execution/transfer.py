"""Values from one process to another through a memory file, each name on its own.

The writer pickles each value with protocol 5; the large buffers inside it (arrays, DataFrames)
go out of band, straight into the file. The reader maps the file copy-on-write, so an array comes
back writable and without a copy, and one value that can't be pickled or read loses only itself.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import pickle
import sys
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caikit_nb.errors import UnpicklableError
from caikit_nb.execution.group_reader import GroupReader
from caikit_nb.execution.libc import libc
from caikit_nb.execution.unpicklable import explain_unpicklable
from caikit_nb.execution.user_code import RunsUserCodeError
from caikit_nb.execution.value_pickler import ValuePickler

_ALIGNMENT = 64  # the largest alignment that NumPy kernels ask for
_COPIED_BYTES = 1 << 20  # a map takes whole pages, so small files are read instead


@dataclass(frozen=True, slots=True)
class Entry:
    """Where one value lies in the file, or why it isn't there.

    Attributes:
        name: The value's name.
        spans: ``(offset, length)`` in bytes: the pickle first, then its buffers.
        type_name: The value's type, for people.
        error: Why it could not be pickled; None if it was.
        group: Entries of one group share what they have in common, and are read in order.
    """

    name: str
    spans: tuple[tuple[int, int], ...]
    type_name: str
    error: str | None = None
    group: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes in the file."""
        return sum(length for _, length in self.spans)

    def to_message(self) -> dict[str, Any]:
        """Plain data for a message frame."""
        return {
            "name": self.name,
            "spans": self.spans,
            "type_name": self.type_name,
            "error": self.error,
            "group": self.group,
        }

    @classmethod
    def from_message(cls, data: Mapping[str, Any]) -> Entry:
        """The inverse of `to_message`."""
        spans = tuple((int(offset), int(length)) for offset, length in data["spans"])
        return cls(data["name"], spans, data["type_name"], data["error"], data["group"])


def open_memory_file() -> int:
    """A new anonymous file, in memory where the system has that; returns its descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("caikit_nb", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Writer:
    """Appends values to a memory file.

    Args:
        fd: The file.
        shared: Whether what two values have in common stays common: then all of them are read
            together by `Store.load_all`. Else each is read on its own by `Store.load`.
        limit_bytes: How large the file may become; a value that doesn't fit gives an entry that
            says so. None for as large as it will.
        main_globals: Whether functions of ``__main__`` find their globals in the reader's
            ``__main__``. Else they carry a copy.
        reduced: See `ValuePickler`.
        search_s: How long to look for the part of a value that can't be pickled, in seconds. That
            pickles its parts anew, by whatever code they have.
    """

    def __init__(
        self,
        fd: int,
        *,
        shared: bool = False,
        main_globals: bool = False,
        limit_bytes: int | None = None,
        reduced: Callable[[Any], Any] | None = None,
        search_s: float = 1.0,
    ) -> None:
        self._fd, self._shared, self._main_globals = fd, shared, main_globals
        self._reduced, self._search_s = reduced, search_s
        self._file = _File(fd, limit_bytes)
        self._group = 0
        self._pickler: ValuePickler | None = None
        self._buffers: list[pickle.PickleBuffer] = []

    def add(self, name: str, value: object) -> Entry:
        """Write one value. A value that can't be pickled gives an entry that says why."""
        start = self._file.end
        self._buffers.clear()
        if self._pickler is None or not self._shared:
            self._pickler = ValuePickler(
                self._file,
                buffer_callback=self._buffers.append,
                main_globals=self._main_globals,
                reduced=self._reduced,
            )
        try:
            self._pickler.dump(value)
            spans = [(start, self._file.end - start)]
            spans += [self._add_buffer(buffer) for buffer in self._buffers]
        except _FileFull as full:
            return self._left_out(name, value, start, f"{name!r} is too large: {full}")
        except RunsUserCodeError as error:
            text = f"{name!r} would be pickled by your own {error}, which is not run for it"
            return self._left_out(name, value, start, text)
        except Exception as error:  # noqa: BLE001 - pickling runs the user's own code
            text = explain_unpicklable(name, value, error, budget_s=self._search_s)
            return self._left_out(name, value, start, text)
        return Entry(name, tuple(spans), _type_name(value), None, self._group)

    def _left_out(self, name: str, value: object, start: int, why: str) -> Entry:
        # What the pickler has remembered of the half-written value must not be referred to.
        self._pickler = None
        self._group += 1
        self._file.cut(start)
        return Entry(name, (), _type_name(value), why, self._group)

    def _add_buffer(self, buffer: pickle.PickleBuffer) -> tuple[int, int]:
        start = -(-self._file.end // _ALIGNMENT) * _ALIGNMENT
        with buffer.raw() as view:
            self._file.check(start + view.nbytes)
            self._file.end = _write_all(self._fd, view, start)
        return start, self._file.end - start


class _FileFull(Exception):
    """The file has reached its limit."""


class _File:
    """A pickler's file: writes at the end of the memory file."""

    def __init__(self, fd: int, limit_bytes: int | None) -> None:
        self._fd, self._limit_bytes = fd, limit_bytes
        self.end = os.fstat(fd).st_size

    def check(self, end: int) -> None:
        """See that the file may become so large."""
        if self._limit_bytes is not None and end > self._limit_bytes:
            raise _FileFull(f"together they may have {self._limit_bytes} bytes")

    def write(self, data: Any) -> int:
        with memoryview(data).cast("B") as view:
            self.check(self.end + view.nbytes)
            self.end = _write_all(self._fd, view, self.end)
            return view.nbytes

    def cut(self, end: int) -> None:
        """Take back what was written after `end`."""
        os.ftruncate(self._fd, end)
        self.end = end


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
        value = _value(entry, GroupReader(), self._views(entry))
        if isinstance(value, UnpicklableError):
            raise value from value.__cause__
        return value

    def load_all(self, entries: Sequence[Entry]) -> dict[str, Any]:
        """The values of entries written with ``shared``, what they had in common still common.

        A value that can't be had is an `UnpicklableError` in its place. In the order they were
        written, those after it in its group are lost with it.
        """
        values: dict[str, Any] = {}
        readers: dict[int, GroupReader] = {}
        for entry in entries:
            if entry.error is not None:
                values[entry.name] = UnpicklableError(entry.name, entry.error)
                continue
            reader = readers.setdefault(entry.group, GroupReader())
            values[entry.name] = _value(entry, reader, self._views(entry))
        return values

    def _views(self, entry: Entry) -> list[memoryview]:
        view = memoryview(self._memory).cast("B")
        return [view[offset : offset + length] for offset, length in entry.spans]


def _value(entry: Entry, reader: GroupReader, views: list[memoryview]) -> Any:
    """The value, or the error that stands for it."""
    try:
        return reader.load(views)
    except Exception as error:  # noqa: BLE001 - the user's own classes are rebuilt here
        return _cannot_rebuild(entry, error)


def _cannot_rebuild(entry: Entry, error: Exception) -> UnpicklableError:
    name = repr(entry.name) if entry.name else "the result"
    text = f"{name} of type {entry.type_name} can't be rebuilt here: {error}"
    unpicklable = UnpicklableError(entry.name, text)
    unpicklable.__cause__ = error
    return unpicklable


def _read(fd: int, size: int) -> bytearray:
    return bytearray(os.pread(fd, size, 0))


def _map(fd: int, size: int) -> Any:
    access = mmap.PROT_READ | mmap.PROT_WRITE
    if sys.version_info >= (3, 13):
        return mmap.mmap(fd, size, flags=mmap.MAP_PRIVATE, prot=access, trackfd=False)
    return _map_without_descriptor(fd, size, access)


def _map_without_descriptor(fd: int, size: int, access: int) -> Any:
    """What ``trackfd=False`` does: the map of older Pythons keeps a copy of the descriptor."""
    libc.mmap.restype = ctypes.c_void_p
    pointer, number, offset = ctypes.c_void_p, ctypes.c_int, ctypes.c_long
    libc.mmap.argtypes = [pointer, ctypes.c_size_t, number, number, number, offset]
    libc.munmap.argtypes = [pointer, ctypes.c_size_t]
    address = libc.mmap(None, size, access, mmap.MAP_PRIVATE, fd, 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    memory = (ctypes.c_ubyte * size).from_address(address)
    # Views of it keep it alive, so the pages go with the last of them.
    weakref.finalize(memory, libc.munmap, address, size).atexit = False
    return memory


def _type_name(value: object) -> str:
    kind = type(value)
    return (
        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    )
