"""The table of a session's jobs, as text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable

from caikit_nb.jobs.durations import format_duration
from caikit_nb.jobs.job_future import JobFuture
from caikit_nb.jobs.queue import JobQueue
from caikit_nb.notebook import job_view

_HEADINGS = ("job", "state", "time", "progress", "how", "note")
_NOTE_CHARACTERS = 70


class JobTable:
    """The jobs at one moment; displays itself in notebooks and terminals."""

    def __init__(self, futures: Iterable[JobFuture], queue: JobQueue) -> None:
        self._rows = [_row(future, queue) for future in futures]

    def __repr__(self) -> str:
        if not self._rows:
            return "no jobs yet: put %%caikit_job on a cell"
        rows = [_HEADINGS, *self._rows]
        widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADINGS))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def _repr_html_(self) -> str:
        if not self._rows:
            return "<p>No jobs yet: put <code>%%caikit_job</code> on a cell.</p>"
        style = 'style="text-align:left"'
        head = "".join(f"<th {style}>{heading}</th>" for heading in _HEADINGS)
        body = "".join(
            "<tr>" + "".join(f"<td {style}>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self._rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(future: JobFuture, queue: JobQueue) -> tuple[str, ...]:
    job = future._job
    position = queue.position(job)
    state = job_view.state_word(job) + (f" ({position})" if position is not None else "")
    elapsed = format_duration(job.times.elapsed_s) if job.times.elapsed_s else ""
    main = job.attempt.bars.main
    fraction = None if main is None else main.fraction
    done = "" if fraction is None else f"{100 * fraction:.0f} %"
    note = job.reason or ("the result is gone" if job.expired else "; ".join(job.notes[-2:]))
    if len(note) > _NOTE_CHARACTERS:
        note = note[: _NOTE_CHARACTERS - 1] + "…"
    return job.spec.name, state, elapsed, done, job_view.way(job), note
