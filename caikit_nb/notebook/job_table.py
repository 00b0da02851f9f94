"""The tables of a session's jobs: how they stand, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.retention import held_bytes
from caikit_nb.jobs.sizes import format_size
from caikit_nb.notebook.kept import time_left
from caikit_nb.notebook.standing import Standing
from caikit_nb.notebook.table import Row, Table, Unended
from caikit_nb.notebook.table_row import TableRow
from caikit_nb.notebook.view_bundle import at_clock

EMPTY = (
    "no jobs yet: put %%caikit_job on a cell",
    "<p>No jobs yet: put <code>%%caikit_job</code> on a cell.</p>",
)
_NOTE_CHARACTERS = 70
_MOST_ROWS = 200


def job_table(standing: Standing) -> Table:
    """How the jobs stand at this moment; of very many that have ended the newest."""
    shown = _shown(standing)
    rows = [_cells(TableRow.of(job, standing)) for job in shown]
    if len(shown) < len(standing.jobs):
        rows.insert(0, (f"… {len(standing.jobs) - len(shown)} more", "", "", "", "", ""))
    return Table(("job", "state", "time", "progress", "how", "note"), rows, EMPTY)


def _shown(standing: Standing) -> list[Job]:
    """As many as one can read: first of all those that have not ended, then the newest."""
    if len(standing.jobs) <= _MOST_ROWS:
        return standing.jobs
    active = list(standing.active)[:_MOST_ROWS]
    rest = _MOST_ROWS - len(active)
    return [*(standing.ended[-rest:] if rest else []), *active]


def _cells(row: TableRow) -> Row:
    note = row.note
    if len(note) > _NOTE_CHARACTERS:
        note = note[: _NOTE_CHARACTERS - 1] + "…"
    state = row.state if row.status.is_terminal else Unended(f"{row.state} {at_clock()}")
    return row.name, state, row.elapsed, row.percent, row.way, note


def usage_table(futures: Sequence[JobFuture]) -> Table:
    """What the jobs hold, in bytes, and when that goes; of very many those that hold most."""
    held = {future._job: sum(held_bytes(future._job).values()) for future in futures}
    jobs = list(held)
    if len(jobs) > _MOST_ROWS:
        jobs = sorted(jobs, key=lambda job: -held[job])[:_MOST_ROWS]
    rows = [_usage_row(job) for job in jobs]
    if len(jobs) < len(held):
        left_out = sum(held.values()) - sum(held[job] for job in jobs)
        more = f"… {len(held) - len(jobs)} more"
        rows.append((more, "", "", "", format_size(left_out), ""))
    if len(held) > 1:
        total = sum(held.values())
        rows.append(("all", "", "", "", format_size(total), ""))
    return Table(("job", "result", "displays", "log", "in all", "goes"), rows, EMPTY)


def _usage_row(job: Job) -> Row:
    held = held_bytes(job)
    sizes = [format_size(held[kind]) for kind in ("result", "displays", "log")]
    return job.spec.name, *sizes, format_size(sum(held.values())), _goes(job)


def _goes(job: Job) -> str:
    if job.expired is not None:
        return f"gone: {job.expired.why}"
    if not job.ended.is_set():
        return "not before it has ended"
    left = time_left(job)
    return "pinned" if job.pinned else "with the session" if left is None else f"in {left[0]}"
