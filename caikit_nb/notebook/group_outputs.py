"""What the jobs of a group have put out, for the notebook's file: there is no card of each."""

from __future__ import annotations

import html
from collections.abc import Iterable

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.sizes import format_size
from caikit_nb.notebook.card_parts import after, chart_html, state_word
from caikit_nb.notebook.job_view import shown_of
from caikit_nb.notebook.looks import FAINT, FONT, TEXT, sign_html
from caikit_nb.notebook.view_bundle import at_clock, marked_state

MOST_CHARACTERS = 200_000
"""So much of a group's outputs is in the file, of its first jobs that have any."""


class GroupOutputs:
    """The outputs of a group's jobs as HTML, each folded; they outlive the jobs' retention."""

    def __init__(self) -> None:
        self._ended: dict[Job, str] = {}
        self._size = 0

    def keep(self, job: Job) -> None:
        """A job is about to drop what it holds: that stays, unless it is to go as well."""
        if job not in self._ended and not job.is_output_purged:
            self._take(job, _folded(job))

    @property
    def has_purged(self) -> bool:
        """Whether something is to go that is there yet."""
        return any(job.is_output_purged for job in list(self._ended))

    def html(self, jobs: Iterable[Job]) -> str:
        """What there is now."""
        shown, size, left_out = [], 0, 0
        for job in jobs:
            part = self._of(job)
            if size + len(part) > MOST_CHARACTERS:
                left_out += 1
            else:
                shown.append(part)
                size += len(part)
        if left_out:
            shown.append(
                f'<div style="color:{FAINT};font-size:0.9em;font-family:{FONT}">the output of '
                f"{left_out:,} more is not saved here, as all together is more than "
                f"{format_size(MOST_CHARACTERS)}</div>"
            )
        return "".join(shown)

    def _of(self, job: Job) -> str:
        if job.is_output_purged:
            self._size -= len(self._ended.pop(job, ""))
            return ""
        if (found := self._ended.get(job)) is not None:
            return found
        found = _folded(job)
        if job.ended.is_set() and job.expired is None:
            self._take(job, found)
        return found

    def _take(self, job: Job, found: str) -> None:
        if self._size < MOST_CHARACTERS:  # what comes after that has no room anyway
            self._size += len(found) - len(self._ended.get(job, ""))
            self._ended[job] = found


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
