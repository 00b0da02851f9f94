"""Which jobs a live table shows, and in which order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook.standing import Standing


@dataclass(frozen=True, slots=True)
class Choice:
    """What a table's user has chosen.

    Attributes:
        status: Only jobs in this state; None for all.
        name_part: Only jobs whose name has this in it, in whatever case.
        column: What they are sorted by; None for the usual order: those that run, those that
            wait, in the order of their turns, then those that have ended, the newest first.
        descending: The largest first.
    """

    status: JobStatus | None = None
    name_part: str = ""
    column: str | None = None
    descending: bool = False

    def sorted_by(self, column: str) -> Choice:
        """Sort by a column; the same again turns the order round, and then gives the usual one."""
        first = COLUMNS[column].descending_first
        if self.column != column:
            return replace(self, column=column, descending=first)
        if self.descending == first:
            return replace(self, descending=not first)
        return replace(self, column=None, descending=False)

    def jobs(self, standing: Standing) -> list[Job]:
        """The chosen ones, in their order."""
        found = _usual_order(standing)
        if self.status is not None:
            found = [job for job in found if job.status is self.status]
        if part := self.name_part.strip().casefold():
            found = [job for job in found if part in job.spec.name.casefold()]
        if self.column is not None:
            found.sort(key=COLUMNS[self.column].key, reverse=self.descending)
        return found


def _usual_order(standing: Standing) -> list[Job]:
    """All of them, without a look at each that has ended: there may be very many."""
    active, last = standing.active, len(standing.positions) + 1
    running = [job for job in active if active[job] is not JobStatus.QUEUED]
    waiting = [job for job in active if active[job] is JobStatus.QUEUED]
    # Who waits for other jobs comes behind those who wait for a worker.
    waiting.sort(key=lambda job: standing.positions.get(job, last))
    return [*reversed(running), *waiting, *reversed(standing.ended)]


@dataclass(frozen=True, slots=True)
class Column:
    """A column that the table can be sorted by.

    Attributes:
        key: What of a job is compared.
        up: What ascending order is called.
        down: What descending order is called.
        descending_first: Whether one wants that first.
    """

    key: Callable[[Job], Any]
    up: str
    down: str
    descending_first: bool = False


def _natural(job: Job) -> list[Any]:
    """So that ``job_2`` comes before ``job_10``."""
    parts = re.split(r"(\d+)", job.spec.name.casefold())
    return [int(part) if at % 2 else part for at, part in enumerate(parts)]


def _fraction(job: Job) -> float:
    main = job.attempt.bars.main
    return -1.0 if main is None or main.fraction is None else main.fraction


COLUMNS = {
    "job": Column(_natural, "from a to z", "from z to a"),
    "state": Column(lambda job: job.status.value, "active first", "ended first"),
    "time": Column(lambda job: job.times.elapsed_s, "shortest first", "longest first", True),
    "progress": Column(_fraction, "least first", "most first", True),
}
