"""The states of a job, and the only way from one to another."""

from __future__ import annotations

import enum
import os
import threading


class JobStatus(enum.Enum):
    """Where a job is (contracts J1). COMPLETED is Schedy's DONE, ERRORED its CRASHED."""

    QUEUED = 1
    RUNNING = 2
    COMPLETED = 3
    CANCELED = 4
    ERRORED = 5
    PRUNED = 6

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended; a terminal state is final."""
        return self not in (JobStatus.QUEUED, JobStatus.RUNNING)

    @property
    def word(self) -> str:
        """As it is told to people."""
        return _WORDS[self]


_WORDS = {
    JobStatus.QUEUED: "queued",
    JobStatus.RUNNING: "running",
    JobStatus.COMPLETED: "completed",
    JobStatus.CANCELED: "cancelled",
    JobStatus.ERRORED: "failed",
    JobStatus.PRUNED: "pruned",
}

_ALLOWED = {
    JobStatus.QUEUED: {JobStatus.RUNNING, JobStatus.CANCELED, JobStatus.ERRORED},
    JobStatus.RUNNING: {
        JobStatus.COMPLETED,
        JobStatus.ERRORED,
        JobStatus.CANCELED,
        JobStatus.PRUNED,
    },
}


class StateMachine:
    """One job's state. Of several moves at once from one state exactly one succeeds."""

    __slots__ = ("_status",)

    def __init__(self) -> None:
        self._status = JobStatus.QUEUED

    @property
    def status(self) -> JobStatus:
        """The state now."""
        return self._status

    def move(self, to: JobStatus) -> bool:
        """Go to another state; False, and nothing changes, if that isn't allowed from here."""
        with _lock:
            if to not in _ALLOWED.get(self._status, ()):
                return False
            self._status = to
            return True


# One for all: there may be very many jobs, and a move takes no time.
_lock = threading.Lock()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)
