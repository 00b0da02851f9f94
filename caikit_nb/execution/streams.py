"""Standard streams of a child: what it prints goes where its parent reads, by every way."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import io
import os
import sys
from typing import Any, TextIO, cast

from caikit_nb.execution.channel import Streams
from caikit_nb.execution.libc import libc
from caikit_nb.execution.places import StderrInText
from caikit_nb.execution.thread_streams import real_stream

_LINE_BUFFERED = 1  # _IOLBF

# The streams that ours took the place of. They live on with whoever kept them.
_old: list[object] = []


def redirect(given: Streams, mark: bytes) -> None:
    """Put the child's pipes under descriptors 1 and 2, and Python's streams on top of them.

    Descriptor 0 becomes empty: nobody can type into a job.

    Args:
        given: The pipes.
        mark: See `caikit_nb.execution.channel.ChildEnd`.
    """
    _replace_stdin()
    if given.stdout is not None:  # it stays: `ChildPort` needs it, wherever 1 leads later
        os.dup2(given.stdout, 1)
        _replace_python_stream("stdout", io.FileIO(1, "w", closefd=False))
    if given.stderr is not None:
        os.dup2(given.stderr, 2)
        os.close(given.stderr)
        _replace_python_stream("stderr", _raw_stderr(given.stdout, mark))
        faulthandler.enable(2)
    _line_buffer_c_stdout()


def is_standard(file: object) -> bool:
    """Whether what is written to a file object is the job's (or this program's) output."""
    standard = (sys.stdout, sys.stderr, real_stream("stdout"), real_stream("stderr"), *_old)
    return any(file is stream for stream in standard)


def flush() -> None:
    """Flush Python's and C's buffers, so that what was printed is in the pipes."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    with contextlib.suppress(Exception):
        libc.fflush(None)


def _replace_stdin() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if null != 0:
        os.close(null)
    sys.stdin = cast(TextIO, open(0, encoding="utf-8", closefd=False))  # noqa: SIM115


def _raw_stderr(text: int | None, mark: bytes) -> io.FileIO:
    return io.FileIO(2, "w", closefd=False) if text is None else StderrInText(text, mark)


def _replace_python_stream(name: str, raw: io.FileIO) -> None:
    stream = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
    before = (getattr(sys, name), real_stream(name), getattr(sys, f"__{name}__"))
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)
    for old in before:
        _speak_through(old, stream)


def _speak_through(old: Any, stream: TextIO) -> None:
    """Whoever kept the kernel's stream, such as a handler of `logging`, writes to ours, too."""
    if isinstance(old, io.StringIO):  # the calling cell collects its own output there
        return
    _old.append(old)
    for method in ("write", "writelines", "flush"):
        with contextlib.suppress(AttributeError, TypeError):
            setattr(old, method, getattr(stream, method))


def _line_buffer_c_stdout() -> None:
    with contextlib.suppress(Exception):
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        libc.setvbuf(stdout, None, _LINE_BUFFERED, 0)
