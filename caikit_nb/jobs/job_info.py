"""How a job stands at one moment, in one piece."""

from __future__ import annotations

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_base import JobInfo


def info_of(job: Job) -> JobInfo:
    """The job at this moment; never blocks on it."""
    status, error, attempt = job.status, job.error(), job.attempt
    return JobInfo(
        status=status,
        errors=None if error is None else [error],
        submission_time=job.times.submitted_at,
        completion_time=job.times.completed_at,
        start_time=job.times.started_at,
        attempt=attempt.number,
        exit_code=attempt.exit_code,
        peak_memory_bytes=attempt.usage.peak_memory_bytes,
        cpu_time_s=attempt.usage.cpu_time_s,
        reason=job.reason,
    )
