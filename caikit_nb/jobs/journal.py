"""Each job's state on disk, for those who can't ask the kernel.

``status.json`` in the job's directory is written anew at most twice a second and replaced in one
step, so a reader never sees half of it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.paths import open_in_job_directory
from caikit_nb.jobs.progress import Bar

FILE = "status.json"
VERSION = 1
MIN_INTERVAL_S = 0.5


def write(job: Job) -> None:
    """Write the job's state; does nothing once its session is gone."""
    target = job.directory / FILE
    draft = target.with_suffix(".new")
    with contextlib.suppress(FileNotFoundError):
        fd = open_in_job_directory(draft, os.O_WRONLY | os.O_TRUNC)
        with open(fd, "w", encoding="utf-8") as file:
            json.dump(state_of(job), file)
        draft.replace(target)


def state_of(job: Job) -> dict[str, Any]:
    """The job's state as plain data."""
    completed = job.times.completed_at
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
        "metrics": {name: points[-1] for name, points in job.attempt.metrics.items() if points},
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


def _sorted(paths: Iterable[Path]) -> list[dict[str, Any]]:
    states = [state for path in paths if (state := _read(path)) is not None]
    return sorted(states, key=lambda state: str(state["submission_time"]))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(state, dict) or state.get("version") != VERSION:
        return None
    return {**state, "directory": str(path.parent)}
