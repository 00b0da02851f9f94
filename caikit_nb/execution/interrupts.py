"""Interrupts of the main thread, held back while it does what must not be left half done."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_Handler = Callable[[int, FrameType | None], Any]
_before: _Handler | None = None  # what interrupts are handed to, while they are held


@contextlib.contextmanager
def held() -> Iterator[None]:
    """An interrupt that comes inside is raised at the end.

    A lock that `threading` takes in Python code is lost where an interrupt comes between the
    taking and the block that gives it back, and whoever wants it next waits for ever.
    """
    global _before
    handler = signal.getsignal(signal.SIGINT)
    if _before is not None or not callable(handler) or not _is_here():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda *told: came.append(told))
    _before = handler
    try:
        yield
    finally:
        _before = None
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[-1])


@contextlib.contextmanager
def allowed() -> Iterator[None]:
    """Inside `held`: the user's code runs, which may take any time, and no lock is taken."""
    global _before
    if _before is None or not _is_here():
        yield
        return
    holding, handler = signal.getsignal(signal.SIGINT), _before
    try:
        signal.signal(signal.SIGINT, handler)
        yield
    finally:
        signal.signal(signal.SIGINT, holding)


def _forget() -> None:
    """A copy says itself what an interrupt does to it."""
    global _before
    _before = None


os.register_at_fork(after_in_child=_forget)


def _is_here() -> bool:
    return threading.current_thread() is threading.main_thread()
