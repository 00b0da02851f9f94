"""What a Dask worker runs for us: a task that holds a thread while our own process does the work.

A worker gets this by name and plain data, and unpickles nothing of the user's.
"""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any

from distributed import Worker, get_worker

from caikit_nb.backends.station import Station

OP = "caikit_nb"
_LOOK_EVERY_S = 0.05
_RELEASED = (None, "cancelled", "released", "forgotten")

_stations: weakref.WeakKeyDictionary[Worker, Station] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def run_task(topic: str, run_id: str, python: tuple[int, int], reconnect_s: float) -> None:
    """Hold a task until its kernel has all of it.

    Args:
        topic: Where its kernel listens.
        run_id: The task.
        python: The kernel's Python, major and minor.
        reconnect_s: How long its kernel may be silent once Dask has given the task up.

    Raises:
        RuntimeError: this worker can't run it.
    """
    if sys.version_info[:2] != tuple(python):
        here, there = _dotted(sys.version_info[:2]), _dotted(python)
        raise RuntimeError(f"this worker has Python {here}, and the kernel has {there}")
    worker = get_worker()
    station = _station(worker)

    def push(event: Mapping[str, Any]) -> None:
        worker.log_event(topic, {**event, "address": worker.address})

    run = station.open(run_id, push)
    run.announce()
    key, released_at = worker.get_current_task(), None
    try:
        while not run.wait(_LOOK_EVERY_S):
            task = worker.state.tasks.get(key)
            if (None if task is None else task.state) not in _RELEASED:
                released_at = None
            elif released_at is None:
                released_at = time.monotonic()
            elif time.monotonic() - max(released_at, run.heard_at) > reconnect_s:
                return
    finally:
        station.close(run)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


def _station(worker: Worker) -> Station:
    with _lock:
        station = _stations.get(worker)
        if station is None:
            station = _stations[worker] = Station()
            worker.handlers[OP] = _Desk(station).answer
        return station


class _Desk:
    """Answers what kernels ask a worker; in the worker's event loop."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def answer(self, what: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """An answer, wrapped, as a bare one could be taken for an error."""
        if what == "fetch":
            return {"answer": self._station.fetch(values["heard"])}
        return {"answer": self._station.answer(what, values["run_id"], values)}
