"""Looks after the bars that are open in jobs: tells four times a second how far they are.

A library redraws its bars when it finds the time, or asks to be drawn by threads of its own; a
loop that becomes slow just after a drawing would show an old count for as long as its step takes.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from typing import Protocol

LOOK_EVERY_S = 0.25

_ids = itertools.count()


def new_id() -> int:
    """A number for a bar, unique in this process."""
    return next(_ids)


class Source(Protocol):
    """One or more bars of a library."""

    @property
    def owner(self) -> object:
        """The line of the job that the bars belong to."""

    def look(self) -> bool:
        """Tell what has changed; whether there is anything left to look after."""


class OpenBars:
    """The bars that are looked after, and the thread that does it while there are any."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """In a forked process nobody looks yet, and nothing is to be looked after."""
        self._lock = threading.Lock()
        self._sources: dict[int, Source] = {}
        self._thread: threading.Thread | None = None

    def watch(self, source: Source) -> None:
        """Look after a source until it is over. Idempotent."""
        with self._lock:
            self._sources[id(source)] = source
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="caikit_nb bars", daemon=True
                )
                self._thread.start()

    def drop(self, source: Source) -> None:
        """Look after it no longer."""
        with self._lock:
            self._sources.pop(id(source), None)

    def of(self, owner: object) -> list[Source]:
        """Those of one job."""
        with self._lock:
            return [source for source in self._sources.values() if source.owner is owner]

    def close(self, owner: object) -> None:
        """A job is at its end: look at its bars once more."""
        for source in self.of(owner):
            self.drop(source)
            _look(source)

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            with self._lock:
                sources = tuple(self._sources.values())
            for source in sources:
                if not _look(source):
                    self.drop(source)
            with self._lock:
                if not self._sources:
                    self._thread = None
                    return


def _look(source: Source) -> bool:
    with contextlib.suppress(Exception):  # a bar may be taken apart while it is looked at
        return source.look()
    return True


open_bars = OpenBars()
os.register_at_fork(after_in_child=open_bars.forget)
