"""Rebuilds pickled values that share what they have in common."""

from __future__ import annotations

import pickle
from collections import deque
from typing import Any


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


class GroupReader:
    """Reads one group."""

    def __init__(self) -> None:
        self._bodies = _Bodies()
        self._buffers: deque[memoryview] = deque()
        buffers = iter(self._buffers.popleft, None)
        # Written by this user's own kernel or job.
        self._unpickler = pickle.Unpickler(self._bodies, buffers=buffers)  # noqa: S301
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
