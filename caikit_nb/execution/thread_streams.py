"""Where a thread's prints go: a stand-in for a stream that asks who is printing."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

Write = Callable[[str, str], None]  # (stream, text)

_writer: ContextVar[Write | None] = ContextVar("caikit_nb_writer", default=None)
_lock = threading.Lock()
_users = 0
# `print` in another thread uses what was `sys.stdout` when it began, in older versions of Python
# without holding on to it: one of ours that was freed meanwhile would end the process.
_kept: deque[_Routed] = deque(maxlen=64)


class _Routed:
    """Text written in a routed context goes to its writer, all else to the real stream."""

    def __init__(self, name: str, real: Any) -> None:
        self.__dict__.update(caikit_nb_real=real, caikit_nb_name=name)

    def write(self, text: str) -> int:
        write = _writer.get()
        if write is None:
            return int(self.caikit_nb_real.write(text) or 0)
        write(self.caikit_nb_name, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["caikit_nb_real"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in type(self).__dict__:
            # IPython wraps `write` for each cell: below us, its wrapper would call itself.
            self.__dict__[name] = value
        else:
            setattr(self.caikit_nb_real, name, value)


@contextlib.contextmanager
def routed(write: Write) -> Iterator[None]:
    """Inside, what this thread prints is given to `write`, between `open_routes` and its end."""
    token = _writer.set(write)
    try:
        yield
    finally:
        _writer.reset(token)


def real_stream(name: str) -> Any:
    """``stdout`` or ``stderr`` as it is outside routed contexts."""
    stream = getattr(sys, name)
    return stream.caikit_nb_real if isinstance(stream, _Routed) else stream


def open_routes() -> None:
    """A thread that is routed begins; not in it, as an exception may be raised there any time."""
    global _users
    with _lock:
        _users += 1
        for name in ("stdout", "stderr"):
            real = getattr(sys, name)
            if not isinstance(real, _Routed):  # the first, or somebody has put another one there
                routed_stream = _routed_stream(name, real)
                setattr(sys, name, routed_stream)
                _move_logging(real, routed_stream)


def _routed_stream(name: str, real: Any) -> _Routed:
    for stream in _kept:
        if stream.caikit_nb_name == name and stream.caikit_nb_real is real:
            return stream
    stream = _Routed(name, real)
    _kept.append(stream)
    return stream


def close_routes() -> None:
    """It has ended."""
    global _users
    with _lock:
        _users -= 1
        if _users:
            return
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if isinstance(stream, _Routed):
                real = stream.__dict__["caikit_nb_real"]
                stream.__dict__.pop("write", None)  # the wrapper of a cell that is over by then
                setattr(sys, name, real)
                _move_logging(stream, real)


def _move_logging(old: Any, new: Any) -> None:
    """Handlers keep the stream that was there when they were made."""
    loggers = [logging.getLogger(), *tuple(logging.Logger.manager.loggerDict.values())]
    for logger in loggers:
        for handler in tuple(getattr(logger, "handlers", ())):
            if isinstance(handler, logging.StreamHandler) and vars(handler).get("stream") is old:
                handler.stream = new
