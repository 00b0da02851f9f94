"""How long results are kept: a timer ends it, for every kind of end alike."""

from __future__ import annotations

from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.execution.watcher import watcher
from caikit_nb.jobs.durations import format_duration
from caikit_nb.jobs.job import Job

# Files are deleted here, so that a slow disk can't hold up the watcher.
_expiries = SerialThread("caikit_nb retention")


def keep(job: Job) -> None:
    """Drop what the job holds once its retention is over, counted from its end."""
    retention_s = job.spec.retention_s
    if retention_s is None:
        return

    def plan(_: Job) -> None:
        watcher.call_later(retention_s, lambda: _expiries.put(lambda: _expire(job)))

    job.on_gone.append(plan)


def _expire(job: Job) -> None:
    if job.expired is None:
        assert job.spec.retention_s is not None  # noqa: S101
        kept = format_duration(job.spec.retention_s)
        job.expire(f"it was kept for {kept} after the job had ended")
