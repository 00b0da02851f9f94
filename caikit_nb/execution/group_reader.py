"""Rebuilds pickled values that share what they have in common."""

from __future__ import annotations

import functools
import pickle
from collections import deque
from typing import Any

import cloudpickle

_CLOUDPICKLE = "cloudpickle.cloudpickle"


class _Bodies:
    """An unpickler's file: the pickles of several entries, one after another."""

    def __init__(self) -> None:
        self._view, self._at = memoryview(b""), 0

    def turn_to(self, view: memoryview) -> None:
        """Go on with another entry."""
        self._view, self._at = view, 0

    def read(self, size: int = -1) -> bytes:
        end = len(self._view) if size < 0 else min(len(self._view), self._at + size)
        piece = bytes(self._view[self._at : end])
        self._at = end
        return piece

    def readinto(self, target: Any) -> int:
        with memoryview(target).cast("B") as view:
            piece = self._view[self._at : self._at + len(view)]
            view[: len(piece)] = piece
            self._at += len(piece)
            return len(piece)

    def readline(self) -> bytes:
        line = bytes(self._view[self._at :]).partition(b"\n")
        piece = line[0] + line[1]
        self._at += len(piece)
        return piece


class _Unpickler(pickle.Unpickler):
    """Leaves the classes alone that this process has already.

    A class of a notebook travels by value. cloudpickle finds the class that is here, and would
    then put the traveller's methods on it, with globals of their own.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._at_home: list[type] = []

    def find_class(self, module: str, name: str) -> Any:
        """Look a global up, as pickle does."""
        found = super().find_class(module, name)
        if module == _CLOUDPICKLE and name in ("_make_skeleton_class", "_make_skeleton_enum"):
            return functools.partial(self._make_class, found)
        if module == _CLOUDPICKLE and name == "_class_setstate":
            return functools.partial(self._set_state, found)
        return found

    def _make_class(self, make: Any, *args: Any) -> Any:
        here = set(getattr(cloudpickle.cloudpickle, "_DYNAMIC_CLASS_TRACKER_BY_ID", ()))
        kind = make(*args)
        if any(isinstance(argument, str) and argument in here for argument in args[3:]):
            self._at_home.append(kind)
        return kind

    def _set_state(self, set_state: Any, kind: type, state: Any) -> Any:
        if any(kind is other for other in self._at_home):
            return kind
        return set_state(kind, state)


class GroupReader:
    """Reads one group."""

    def __init__(self) -> None:
        self._bodies = _Bodies()
        self._buffers: deque[memoryview] = deque()
        self._unpickler = _Unpickler(self._bodies, buffers=iter(self._buffers.popleft, None))
        self._broken: Exception | None = None

    def load(self, views: list[memoryview]) -> Any:
        """Rebuild the next value from its pickle and its buffers.

        Raises:
            Exception: whatever rebuilding raises; for those after it in the group, too, since
                they may refer to what wasn't rebuilt.
        """
        if self._broken is not None:
            raise self._broken
        self._bodies.turn_to(views[0])
        self._buffers.extend(views[1:])
        try:
            return self._unpickler.load()
        except Exception as error:
            self._broken = error
            raise
