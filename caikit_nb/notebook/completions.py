"""Which jobs have ended since one last looked, in a short line."""

from __future__ import annotations

import html
from collections.abc import Sequence
from textwrap import shorten

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook import ansi
from caikit_nb.notebook.looks import LOOKS, sign_html
from caikit_nb.notebook.table_row import elapsed

_REASON_CHARACTERS = 100


class Completions:
    """Looks at jobs again and again.

    Args:
        jobs: Those there are at first; the end of these that have ended is no news.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._over = set(filter(_is_over, jobs))

    def news(self, jobs: Sequence[Job]) -> str:
        """What has ended since the last look, as HTML; "" if nothing has."""
        new = [job for job in jobs if job not in self._over and _is_over(job)]
        self._over.update(new)
        if len(self._over) > len(jobs):  # some are no more
            self._over.intersection_update(jobs)
        return _line(new) if new else ""


def _is_over(job: Job) -> bool:
    """Whether all is known of its end; of a cancelled job that is so at once."""
    return job.ended.is_set() or job.status is JobStatus.CANCELED


def _line(jobs: Sequence[Job]) -> str:
    """The one that matters most in full: one that failed, else the newest."""
    told = max(reversed(jobs), key=lambda job: job.status is JobStatus.ERRORED)
    after = f" after {elapsed(told)}" if elapsed(told) else ""
    why = ansi.plain(told.reason) if told.status is JobStatus.ERRORED else ""
    why = f": {shorten(why, _REASON_CHARACTERS, placeholder=' …')}" if why else ""
    more = f" ({len(jobs) - 1} more ended as well)" if len(jobs) > 1 else ""
    name = f"<b>{html.escape(told.spec.name)}</b>"
    text = html.escape(f"{LOOKS[told.status].word}{after}{why}{more}")
    return f"{sign_html(told.status)} {name} {text}"
