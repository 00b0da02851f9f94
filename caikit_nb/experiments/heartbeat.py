"""Keeps the leases of the jobs that this process runs."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

from caikit_nb.execution.watcher import stillness

logger = logging.getLogger(__name__)

_BEATS_PER_LEASE = 4
Beat = Callable[[int, int], bool]


class Heartbeat:
    """One daemon thread that beats for every job that is held, as long as there is one.

    Args:
        beat: Prolongs the lease of a row of a version; False if that is no longer ours.
        lease_s: How long a lease lasts.
    """

    def __init__(self, beat: Beat, lease_s: float) -> None:
        self._beat, self._interval_s = beat, lease_s / _BEATS_PER_LEASE
        self._start_anew()
        _all.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Heartbeat, (self._beat, self._interval_s * _BEATS_PER_LEASE)  # it holds nothing

    def _start_anew(self) -> None:
        self._news = threading.Condition()
        # A job that nobody holds any more is nobody's work: its lease runs out.
        self._held: dict[int, tuple[int, weakref.ref[Any]]] = {}
        self._thread: threading.Thread | None = None

    def hold(self, key: int, version: int, holder: Any) -> None:
        """Beat for that row while `holder` lives, or until `release`."""
        with self._news:
            self._held[key] = version, weakref.ref(holder)
            if self._thread is None:
                name = "caikit_nb heartbeats"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()

    def release(self, key: int) -> None:
        """Beat for that row no more."""
        with self._news:
            self._held.pop(key, None)

    def close(self) -> None:
        """Beat for none any more."""
        with self._news:
            self._held.clear()
            self._news.notify()

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait(self._interval_s)
                held = [(key, version) for key, (version, ref) in self._held.items() if ref()]
                if not held:
                    self._held.clear()
                    self._thread = None
                    return
            for key, version in held:
                with stillness.working():  # a fork must not copy a lock of the database
                    self._beat_once(key, version)

    def _beat_once(self, key: int, version: int) -> None:
        try:
            is_ours = self._beat(key, version)
        except Exception as error:  # noqa: BLE001 - the next beat may do
            logger.warning("a heartbeat failed: %s", error)
            return
        if not is_ours:
            with self._news:
                if self._held.get(key, (None,))[0] == version:
                    del self._held[key]


_all: weakref.WeakSet[Heartbeat] = weakref.WeakSet()


def _start_all_anew() -> None:
    for heartbeat in list(_all):
        heartbeat._start_anew()


# The parent goes on beating for what it holds; a forked child holds nothing.
os.register_at_fork(after_in_child=_start_all_anew)
