"""Exceptions raised inside a thread that Python dropped, as a finalizer ran there: once more.

Whoever raises one from outside can't know what the thread is doing. What reaches a finalizer or a
callback of a weak reference is only told to ``sys.unraisablehook``.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from caikit_nb.execution.watcher import watcher

_MOMENT_S = 0.001

_lock = threading.Lock()
_users = 0
_before: Any = sys.__unraisablehook__
_passing_on = threading.local()


class Displacing(BaseException):
    """Takes the place of an exception that has not arrived; means nothing where it is dropped."""


def watch() -> None:
    """A thread begins in which exceptions may be raised: one with ``raise_inside``."""
    global _users, _before
    with _lock:
        _users += 1
        if sys.unraisablehook is not _hook:
            _before, sys.unraisablehook = sys.unraisablehook, _hook


def unwatch() -> None:
    """It has ended."""
    global _users
    with _lock:
        _users -= 1
        if not _users and sys.unraisablehook is _hook:
            sys.unraisablehook = _before


def _hook(lost: Any) -> None:
    def again() -> None:
        if is_over:
            thread.raise_inside(kind)
        else:  # in here it would be lost, too
            watcher.call_later(_MOMENT_S, again)

    is_over = False
    thread: Any = threading.current_thread()
    kind = getattr(thread, "raised_inside", None)
    if kind is not None and lost.exc_type is kind:
        watcher.call_soon(again)
    elif lost.exc_type is not Displacing:
        _pass_on(lost)
    is_over = True  # between this and our return Python raises nothing


def _pass_on(lost: Any) -> None:
    """To the hook that was there; whoever has put one on top of ours may call us once more."""
    hook = sys.__unraisablehook__ if getattr(_passing_on, "here", False) else _before
    _passing_on.here = True
    try:
        hook(lost)
    finally:
        _passing_on.here = False
