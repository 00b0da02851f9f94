"""How long a job's result is still kept, in words that seldom change."""

from __future__ import annotations

import itertools
import math
import time

from caikit_nb.jobs.job import Job

_STEPS = ((86400.0, "days"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_MANY = 2  # as many of a unit are told in it


def time_left(job: Job) -> tuple[str, float] | None:
    """How long it is still kept, and in how many seconds that text changes.

    None if nothing ends it.
    """
    due = None if job.kept_s is None else job.times.after_end(job.kept_s)
    return None if due is None else in_words(due - time.monotonic())


def in_words(left_s: float) -> tuple[str, float]:
    """A time that is left, in one unit, and how long that text is right."""
    for (unit_s, name), (smaller_s, _) in itertools.pairwise((*_STEPS, (0.0, ""))):
        # From where the smaller unit would be rounded to that.
        least_s = _MANY * unit_s - smaller_s / 2
        if left_s >= least_s or not smaller_s:
            count = max(0, math.floor(left_s / unit_s + 0.5))
            until_s = (count - 0.5) * unit_s
            changes_at_s = max(until_s, least_s) if smaller_s else until_s
            return f"{count} {name}", max(0.05, left_s - changes_at_s + 0.01)
    raise AssertionError("the last step takes all")


def dropped(job: Job, *, keeps_output: bool) -> str:
    """For a card whose job holds its result no more; empty while it does.

    Args:
        job: Whose.
        keeps_output: Whether the card still shows what the job has put out.
    """
    if job.expired is None:
        return ""
    if job.is_output_purged:
        return f"result dropped {job.expired.how} · output removed by purge --output"
    return f"result dropped {job.expired.how}{' · output kept' if keeps_output else ''}"


def countdown(job: Job) -> str:
    """For the live card."""
    if not job.ended.is_set() or job.expired is not None:
        return ""
    if job.pinned:
        return "pinned"
    left = time_left(job)
    return "" if left is None else f"kept for {left[0]} more"


def kept_until(job: Job) -> str:
    """For the saved card, which nobody brings up to date: a date."""
    if job.ended_with_session:  # as its result has
        return ""
    date = None if job.kept_s is None else job.times.date_after_end(job.kept_s)
    if job.ended.is_set() and job.pinned:
        return "pinned"
    if date is None:
        return ""
    return f"kept until {date.astimezone():%Y-%m-%d %H:%M}, or the kernel's end"
