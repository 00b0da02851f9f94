"""What a job says of itself, and what every job's future can do."""

from __future__ import annotations

import abc
import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from caikit_nb.jobs import job_ids
from caikit_nb.jobs.states import JobStatus

__all__ = ["JobBase", "JobFutureBase", "JobInfo", "JobStatus"]


@dataclass(slots=True)
class JobInfo:
    """A job at one moment (contracts J2).

    Attributes:
        status: The state.
        errors: The job's errors, None if there are none.
        submission_time: When it was submitted, aware UTC.
        completion_time: When it ended, aware UTC; None before.
        start_time: When it started to run, aware UTC; None before.
        attempt: Which attempt this is, from 1.
        exit_code: Its process's exit status where that is known.
        peak_memory_bytes: Most memory of its own, where that was measured.
        cpu_time_s: CPU seconds of it and the children it waited for, where known.
        reason: Why it is in this state, in one line; empty if there is nothing to say.
    """

    status: JobStatus
    errors: list[BaseException] | None = None
    submission_time: datetime.datetime | None = None
    completion_time: datetime.datetime | None = None
    start_time: datetime.datetime | None = None
    attempt: int = 1
    exit_code: int | None = None
    peak_memory_bytes: int | None = None
    cpu_time_s: float | None = None
    reason: str = ""


class JobFutureBase(abc.ABC):
    """A handle on a job (contracts J3 to J14)."""

    @property
    @abc.abstractmethod
    def id(self) -> str:
        """The job's id."""

    @abc.abstractmethod
    def get_info(self) -> JobInfo:
        """The job now; never blocks."""

    @abc.abstractmethod
    def cancel(self) -> Any:
        """End the job; returns at once."""

    @abc.abstractmethod
    def wait(self, timeout: float | None = None) -> Any:
        """Wait until the job has ended; never raises its error."""

    @abc.abstractmethod
    def result(self, timeout: float | None = None) -> Any:
        """What the job returned; raises its error."""


class JobBase(abc.ABC):  # noqa: B024 - what it asks of its subclasses differs with their jobs
    """What runs jobs for somebody else, such as a trainer (contracts J9, J16).

    Args:
        config: Its settings; kept as it is.
        instance_name: What it is called. The ids of its jobs carry it.
    """

    ID_DELIMITER = job_ids.ID_DELIMITER

    def __init__(self, config: Mapping[str, Any], instance_name: str) -> None:
        self._config, self._instance_name = config, instance_name

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings it was made with."""
        return self._config

    @property
    def instance_name(self) -> str:
        """What it is called."""
        return self._instance_name

    @classmethod
    def get_job_name(cls, id: str) -> str:
        """The name of whose job that is, read from an id that was made here (contracts J9)."""
        return job_ids.owner_of(id)
