"""Standard streams of a child: what it prints goes where its parent reads, by every way."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import io
import logging
import os
import sys
from typing import TextIO, cast

from caikit_nb.execution.channel import ChildEnd

_LINE_BUFFERED = 1  # _IOLBF


def redirect(end: ChildEnd) -> None:
    """Put the child's pipes under descriptors 1 and 2, and Python's streams on top of them.

    Descriptor 0 becomes empty: nobody can type into a job.
    """
    _replace_stdin()
    for number, name in ((1, "stdout"), (2, "stderr")):
        pipe = getattr(end, name)
        if pipe is not None:
            os.dup2(pipe.fd, number)
            os.close(pipe.fd)
            _replace_python_stream(name, number)
    if end.stderr is not None:
        faulthandler.enable(2)
    _line_buffer_c_stdout()


def flush() -> None:
    """Flush Python's and C's buffers, so that what was printed is in the pipes."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    with contextlib.suppress(Exception):
        ctypes.CDLL(None).fflush(None)


def _replace_stdin() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    if null != 0:
        os.close(null)
    sys.stdin = cast(TextIO, open(0, encoding="utf-8", closefd=False))  # noqa: SIM115


def _replace_python_stream(name: str, number: int) -> None:
    raw = io.FileIO(number, "w", closefd=False)
    stream = io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )
    old = {id(getattr(sys, name)), id(getattr(sys, f"__{name}__"))}
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)
    _redirect_logging(old, stream)


def _redirect_logging(old: set[int], stream: TextIO) -> None:
    """Handlers made before the fork hold the kernel's stream objects."""
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler) and id(handler.stream) in old:
                handler.stream = stream
    last = logging.lastResort
    if isinstance(last, logging.StreamHandler) and id(last.stream) in old:
        last.__dict__["stream"] = stream


def _line_buffer_c_stdout() -> None:
    with contextlib.suppress(Exception):
        libc = ctypes.CDLL(None)
        stdout = ctypes.c_void_p.in_dll(libc, "stdout")
        libc.setvbuf(stdout, None, _LINE_BUFFERED, 0)
