"""What the jobs of a group have put out, for the notebook's file: there is no card of each."""

from __future__ import annotations

import html
import threading
from collections.abc import Iterable

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.sizes import format_size
from caikit_nb.notebook.card_parts import after, chart_html, state_word
from caikit_nb.notebook.job_view import shown_of
from caikit_nb.notebook.looks import FAINT, FONT, TEXT, sign_html
from caikit_nb.notebook.view_bundle import at_clock, marked_state

MOST_CHARACTERS = 200_000
"""So much of a group's outputs is in the file, of the jobs that ended first."""


class GroupOutputs:
    """The outputs of a group's jobs as HTML, each folded; they outlive the jobs' retention."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Of jobs that have ended: what is shown of them, and who has no room.
        self._kept: dict[Job, str] = {}
        self._left_out: set[Job] = set()
        self._size = 0

    def keep(self, job: Job) -> None:
        """A job is about to drop what it holds: that stays, unless it is to go as well."""
        with self._lock:
            if not job.is_output_purged and not self._knows(job):
                self._take(job, _folded(job))

    @property
    def has_purged(self) -> bool:
        """Whether something is to go that is there yet."""
        with self._lock:
            return any(job.is_output_purged for job in self._kept)

    def html(self, jobs: Iterable[Job]) -> str:
        """What there is now."""
        shown, left_out, passing = [], 0, 0  # what isn't kept, as it will be another
        with self._lock:
            for job in jobs:
                part = self._part(job, MOST_CHARACTERS - self._size - passing)
                if part is None:
                    left_out += 1
                    continue
                shown.append(part)
                if job not in self._kept:
                    passing += len(part)
        if left_out:
            jobs_are = "job is" if left_out == 1 else "jobs are"
            shown.append(
                f'<div style="color:{FAINT};font-size:0.9em;font-family:{FONT}">The outputs of '
                f"{left_out:,} more {jobs_are} not saved here: there is room for "
                f"{format_size(MOST_CHARACTERS)}.</div>"
            )
        return "".join(shown)

    def _part(self, job: Job, room: int) -> str | None:
        """What is shown of a job; None if there is no room for it."""
        if job.is_output_purged:
            self._size -= len(self._kept.pop(job, ""))
            return ""
        if job in self._kept:
            return self._kept[job]
        if job in self._left_out:
            return None
        has_ended = job.ended.is_set()  # before it is drawn: what is kept is the last of it
        part = _folded(job)
        if has_ended and job.expired is None and (len(part) <= room or self._is_too_much(part)):
            self._take(job, part)
        return part if len(part) <= room else None

    def _is_too_much(self, part: str) -> bool:
        """Whether there is no room for it even if nothing else is shown but what is kept."""
        return self._size + len(part) > MOST_CHARACTERS

    def _knows(self, job: Job) -> bool:
        return job in self._kept or job in self._left_out

    def _take(self, job: Job, part: str) -> None:
        if self._is_too_much(part):
            self._left_out.add(job)
        else:
            self._kept[job] = part
            self._size += len(part)


def _folded(job: Job) -> str:
    shown, chart = shown_of(job), chart_html(job)
    if not shown and not chart:
        return ""
    state = f"{sign_html(job.status)} {html.escape(state_word(job))}"
    if job.status.is_terminal:
        state += after(job)
    else:
        state = marked_state(f"{state} {at_clock()}")
    return (
        f'<details style="margin:2px 0;font-family:{FONT};color:{TEXT}">'
        f'<summary style="cursor:pointer;color:{FAINT};font-size:0.9em">'
        f"{html.escape(job.spec.name)}: {state}</summary>"
        f"{chart}{shown.output_html}{shown.error}</details>"
    )
