"""What a search answers when it is asked for another job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from caikit_nb.experiments import rows
from caikit_nb.experiments.encoding import JSON
from caikit_nb.experiments.rows import Draft, Record
from caikit_nb.experiments.statuses import RUNNING


@dataclass(frozen=True, slots=True)
class Proposal:
    """A new job, or why there is none.

    Attributes:
        draft: The job.
        why: Why there is none now.
        is_over: There will be none any more, and the experiment is DONE.
    """

    draft: Draft | None = None
    why: str = "none is queued"
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """An experiment while nobody else can ask it for a job.

    Attributes:
        tx: The transaction that locks it.
        key: Its row.
        proposed: How many jobs its search has made.
    """

    tx: Connection
    key: int
    proposed: int

    def records(self) -> Iterator[Record]:
        """Its jobs, oldest first."""
        return rows.read_all(self.tx, self.key)

    def hyperparameters(self, behind: int) -> Iterator[tuple[int, Mapping[str, JSON]]]:
        """The row and the hyperparameters of each job behind a row, oldest first."""
        return rows.read_hyperparameters(self.tx, self.key, behind)

    def count_until(self, last: int) -> int:
        """How many jobs there are up to a row."""
        return rows.count_until(self.tx, self.key, last)

    def is_exhausted(self) -> Proposal:
        """What a search says that has no other points.

        It isn't over while a job runs: if its worker dies, the job must be given out again.
        """
        runs = bool(rows.count_by_status(self.tx, self.key).get(RUNNING))
        return Proposal(why="every point of the grid was given out", is_over=not runs)
