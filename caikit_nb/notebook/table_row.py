"""What a table tells of one job."""

from __future__ import annotations

from dataclasses import dataclass

from caikit_nb.jobs.durations import format_duration
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook import ansi
from caikit_nb.notebook.card_parts import state_word, way
from caikit_nb.notebook.standing import Standing


@dataclass(frozen=True, slots=True)
class TableRow:
    """One job at one moment, in words.

    Attributes:
        name: The job's name.
        status: Its state.
        state: The state in words, with the place in the queue.
        elapsed: How long it has run; "" before it has started.
        fraction: How far it is, 0 to 1; None if that isn't known.
        way: How it runs.
        note: What else there is to say, in one line.
    """

    name: str
    status: JobStatus
    state: str
    elapsed: str
    fraction: float | None
    way: str
    note: str

    @classmethod
    def of(cls, job: Job, standing: Standing) -> TableRow:
        """The row of a job."""
        position = standing.positions.get(job)
        place = "" if position is None else f" ({position})"
        status, main = job.status, job.attempt.bars.main
        return cls(
            name=job.spec.name,
            status=status,
            state=state_word(job) + place,
            elapsed=elapsed(job),
            fraction=None if main is None else main.fraction,
            way=way(job),
            note=" ".join(ansi.plain(_note(job, standing)).split()),
        )

    @property
    def percent(self) -> str:
        """How far it is, in words; "" if that isn't known."""
        return "" if self.fraction is None else f"{100 * self.fraction:.0f} %"


def elapsed(job: Job) -> str:
    """How long it has run; while it does, in whole seconds, so that the text seldom changes."""
    seconds = job.times.elapsed_s
    if not seconds:
        return ""
    return format_duration(seconds if job.times.completed_at else float(int(seconds)))


def _note(job: Job, standing: Standing) -> str:
    if job.reason:
        is_told = job.ended_with_session or job.status is JobStatus.COMPLETED  # by its state
        return "" if is_told else job.reason
    if job.expired:
        return "the result is gone"
    if job in standing.positions and standing.queue.waits_because is not None:
        return standing.queue.waits_because
    if not job.status.is_terminal and (before := standing.queue.follows(job)):
        return f"after {', '.join(other.spec.name for other in before)}"
    return "; ".join(job.notes[-2:])
