"""What a search answers when it is asked for another job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from caikit_nb.experiments import rows
from caikit_nb.experiments.rows import Draft, Record


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
