"""What caikit expects of a future, over what a job's future is here."""

from __future__ import annotations

import datetime
from typing import Any

from caikit.core.data_model import JobStatus as CaikitStatus
from caikit.core.model_management.job_base import JobInfo as CaikitInfo

from caikit_nb.jobs.job_base import JobInfo
from caikit_nb.jobs.local_job_future import LocalJobFuture
from caikit_nb.jobs.states import JobStatus

# caikit has no word for a job that was given up on purpose.
_STATUSES = {
    status: CaikitStatus.CANCELED if status is JobStatus.PRUNED else CaikitStatus[status.name]
    for status in JobStatus
}


class CaikitFuture(LocalJobFuture):
    """A job that reads to caikit like one of its own."""

    @property
    def name(self) -> str:
        """What the job is called in the session's table."""
        return self._job.spec.name

    def get_info(self) -> Any:
        """The job now, in caikit's terms (contracts J2 to J6); never blocks.

        Times are naive and local, as caikit's runtime compares them with ``datetime.now()``.
        """
        return caikit_info(super().get_info())

    def wait(self, timeout: float | None = None) -> None:  # type: ignore[override]
        """Wait until the job has ended; never raises its error (contracts J13)."""
        super().wait(timeout)

    def cancel(self) -> None:  # type: ignore[override]
        """End the job; returns at once (contracts J14)."""
        super().cancel()


def caikit_info(info: JobInfo) -> Any:
    """A job's state in caikit's terms."""
    return CaikitInfo(
        status=_STATUSES[info.status],
        errors=info.errors,
        submission_time=_local(info.submission_time),
        completion_time=_local(info.completion_time),
    )


def _local(when: datetime.datetime | None) -> datetime.datetime | None:
    return None if when is None else when.astimezone().replace(tzinfo=None)
