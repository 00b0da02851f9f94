"""The last states of cards and tables, for those who write them into the notebook.

A page that is loaded anew has forgotten the display ids of its outputs, and hears no update of
them. So JupyterLab's extension learns the state of each view by its key, and writes it into the
cell's output itself (labextension/src/recorder.ts). The last state of all is a file, too: who opens
a notebook when its kernel is gone finds there what became of its jobs, and who opens a copy of it
that they go on.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from caikit_nb.execution.forks import NewInFork
from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.jobs import view_files
from caikit_nb.notebook.view_bundle import KeptView

_KEEP_INTERVAL_S, _KEEP_SHARE = 0.5, 100
_FINISH_S = 2.0
_KEPT_BYTES_PER_S = 200_000  # of a job that shows many figures each state is large

_writer = SerialThread("caikit_nb views")


class KeptViews(NewInFork):
    """The newest state of each view of a session; the last ones lie in files.

    A forked job has none of its kernel's views, and nobody follows its own: they are parts of what
    the job's card shows.

    Args:
        session: The session's directory, with whose owner go the views that have not ended.
    """

    def __init__(self, session: Callable[[], Path]) -> None:
        self._session = session
        super().__init__()

    def _reset(self) -> None:
        self._open: set[str] = set()
        self._newest: dict[str, KeptView] = {}
        self._tell: Callable[[dict[str, Any]], object] = _tell_nobody
        self._is_followed: Callable[[], bool] = bool

    @property
    def is_followed(self) -> bool:
        """Whether somebody writes down also what has not ended."""
        self._know_fork()
        return self._is_followed()

    def follow(
        self, tell: Callable[[dict[str, Any]], object], is_followed: Callable[[], bool]
    ) -> None:
        """Tell somebody of each new state.

        Args:
            tell: Takes it.
            is_followed: Whether what has not ended is of use now.
        """
        self._tell, self._is_followed = tell, is_followed

    def keep(self, view: KeptView) -> None:
        """Take a view's state."""
        self._know_fork()
        self._newest[view.key] = view
        if view.ended:
            self._open.discard(view.key)
            _writer.put(functools.partial(self._write, view))
        else:
            self._open_file(view.key)
        self._tell(asdict(view))

    def reopen(self, key: str) -> None:
        """What had ended goes on: its last state is to come."""
        self._know_fork()
        self._newest.pop(key, None)
        self._open_file(key)

    def _open_file(self, key: str) -> None:
        if key not in self._open:
            self._open.add(key)
            _writer.put(functools.partial(self._write_open, key))

    def finish(self) -> None:
        """Wait until the last states are written, before the process ends."""
        _writer.finish(_FINISH_S)

    def _write(self, view: KeptView) -> None:
        view_files.write(view.key, asdict(view))
        if self._newest.get(view.key) is view:  # not held twice: its figures may be large
            del self._newest[view.key]

    def _write_open(self, key: str) -> None:
        view_files.write_open(key, self._session())

    def find(self, keys: Iterable[object]) -> tuple[list[dict[str, Any]], list[str]]:
        """The states of these views, and the keys of which nothing is known."""
        states = {key: self._state(key) for key in keys if isinstance(key, str)}
        found = [state for state in states.values() if state is not None]
        return found, [key for key, state in states.items() if state is None]

    def _state(self, key: str) -> dict[str, Any] | None:
        view = self._newest.get(key)
        return view_files.read(key) if view is None else asdict(view)


class KeepPace:
    """While somebody follows: what a notebook that is saved now shows of what has not ended.

    Args:
        views: Take the states.
    """

    def __init__(self, views: KeptViews) -> None:
        self._views, self._next_at = views, 0.0

    def offer(self, make: Callable[[], KeptView]) -> None:
        """Keep the state that `make` gives, if it is time: that costs something."""
        began = time.monotonic()
        if self._views.is_followed and began >= self._next_at:
            view = make()
            self._views.keep(view)
            now = time.monotonic()
            size_s = len(view.html) / _KEPT_BYTES_PER_S
            self._next_at = now + max(_KEEP_INTERVAL_S, _KEEP_SHARE * (now - began), size_s)


def _tell_nobody(_: dict[str, Any]) -> None:
    """There is no front end that could write."""
