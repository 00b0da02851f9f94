"""The statuses of jobs and experiments, equal to their names (contracts S1, S10)."""

from __future__ import annotations

from collections.abc import Collection

QUEUED = "QUEUED"
RUNNING = "RUNNING"
CRASHED = "CRASHED"
PRUNED = "PRUNED"
DONE = "DONE"

JOB_STATUSES = (QUEUED, RUNNING, CRASHED, PRUNED, DONE)
TERMINAL_STATUSES = (CRASHED, PRUNED, DONE)
EXPERIMENT_STATUSES = (RUNNING, DONE)


def check_status(status: object, accepted: Collection[str]) -> str:
    """The status, if it is one of those.

    Raises:
        ValueError: it isn't.
    """
    if not isinstance(status, str) or status not in accepted:
        raise ValueError(f"status must be one of {', '.join(accepted)}, not {status!r}")
    return status
