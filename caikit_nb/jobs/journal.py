"""Each job's state on disk, for those who can't ask the kernel.

``status.json`` in the job's directory is written anew at most twice a second and replaced in one
step, so a reader never sees half of it. On a full disk there is room for no second file: the state
then takes the place of the one before, and the write is repeated until it succeeds.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.events import Events
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_directory import open_in_job_directory
from caikit_nb.jobs.progress import Bar

logger = logging.getLogger(__name__)

FILE = "status.json"
VERSION = 1
MIN_INTERVAL_S = 0.5
REPEAT_AFTER_S = 5.0
MAX_METRICS = 100

_BLOCK_BYTES = 512  # in which a file's own room is told
_SHORT: dict[str, Any] = {"bars": [], "metrics": {}}  # of what may take much room


class Journal:
    """Writes the state of each job that changes.

    Args:
        events: Tells of the jobs.
        repeat_after_s: When a write that failed is tried again, in seconds.
    """

    def __init__(self, events: Events, repeat_after_s: float = REPEAT_AFTER_S) -> None:
        self._events, self._repeat_after_s = events, repeat_after_s
        self._unwritten: set[Job] = set()
        self._subscription = events.subscribe(self._take, MIN_INTERVAL_S)

    def _take(self, job: Job) -> None:
        try:
            write(job)
        except OSError as error:
            logger.debug("the state of %r can't be written: %s", job, error)
            if not self._unwritten:
                watcher.call_later(self._repeat_after_s, self._repeat)
            self._unwritten.add(job)

    def _repeat(self) -> None:
        jobs, self._unwritten = self._unwritten, set()
        for job in jobs:
            self._events.remind(self._subscription, job)


def write(job: Job) -> None:
    """Write the job's state; does nothing once its session is gone.

    Raises:
        OSError: it can't be written as a new file, for instance because the disk is full.
    """
    target = job.directory / FILE
    draft = target.with_suffix(".new")
    state = state_of(job)
    with contextlib.suppress(FileNotFoundError):
        try:
            fd = open_in_job_directory(draft, os.O_WRONLY | os.O_TRUNC)
            with open(fd, "w", encoding="utf-8") as file:
                json.dump(state, file)
            draft.replace(target)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
            with contextlib.suppress(OSError):
                _overwrite(target, state)
            raise


def _overwrite(target: Path, state: dict[str, Any]) -> None:
    """Put a state where the one before was, as far as the file's own room goes."""
    fd = os.open(target, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        status = os.fstat(fd)
        for each in (state, {**state, **_SHORT}):
            # Spaces cover what was there: to cut the file would be a second step.
            text = json.dumps(each).encode().ljust(status.st_size)
            if len(text) <= status.st_blocks * _BLOCK_BYTES:
                os.pwrite(fd, text, 0)
                return
    finally:
        os.close(fd)


def state_of(job: Job) -> dict[str, Any]:
    """The job's state as plain data, with the metrics that came first."""
    completed = job.times.completed_at
    metrics = itertools.islice(job.attempt.metrics.items(), MAX_METRICS)
    return {
        "version": VERSION,
        "id": job.spec.id,
        "name": job.spec.name,
        "status": job.status.name,
        "reason": job.reason,
        "start_method": job.spec.start_method,
        "attempt": job.attempt.number,
        "pid": job.attempt.pid,
        "submission_time": job.times.submitted_at.isoformat(),
        "completion_time": None if completed is None else completed.isoformat(),
        "elapsed_s": round(job.times.elapsed_s, 3),
        "bars": [_bar(bar) for bar in job.attempt.bars.latest()],
        "metrics": {name: points[-1] for name, points in metrics if points},
        "log_bytes": job.attempt.log.size_bytes,
    }


def _bar(bar: Bar) -> dict[str, Any]:
    return {"desc": bar.desc, "n": bar.n, "total": bar.total, "closed": bar.closed}


def read_all(sessions: Path) -> list[dict[str, Any]]:
    """The states of all jobs below a directory of sessions, oldest first.

    Each has ``directory`` added, where its ``output.log`` lies. What can't be read, or is of a
    later version, is left out.
    """
    return _sorted(sessions.glob(f"*/*/{FILE}"))


def read_session(session: Path) -> list[dict[str, Any]]:
    """The same of one session, given its directory."""
    return _sorted(session.glob(f"*/{FILE}"))


def _sorted(files: Iterable[Path]) -> list[dict[str, Any]]:
    states = [state for path in files if (state := _read(path)) is not None]
    return sorted(states, key=lambda state: str(state["submission_time"]))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(state, dict) or state.get("version") != VERSION:
        return None
    return {**state, "directory": str(path.parent)}
