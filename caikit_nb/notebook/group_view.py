"""How the jobs of one cell stand together: as HTML and as text."""

from __future__ import annotations

import datetime
import html
from collections import Counter
from collections.abc import Sequence

from caikit_nb.jobs.durations import format_duration
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook import ansi
from caikit_nb.notebook.card_parts import ended_at, lost_html
from caikit_nb.notebook.job_table import job_table
from caikit_nb.notebook.looks import BORDER, FAINT, FONT, LOOKS, LOST, TEXT, TRACK, Look
from caikit_nb.notebook.standing import Standing
from caikit_nb.notebook.view_bundle import KeptView, at_clock, marked_state

_IN_WORDS = (
    JobStatus.RUNNING,
    JobStatus.QUEUED,
    JobStatus.COMPLETED,
    JobStatus.ERRORED,
    JobStatus.PRUNED,
    JobStatus.CANCELED,
)
_IN_BAR = (
    JobStatus.COMPLETED,
    JobStatus.ERRORED,
    JobStatus.PRUNED,
    JobStatus.CANCELED,
    JobStatus.RUNNING,
)
_ERRORS = 3


def counts_text(standing: Standing) -> str:
    """How many there are, and in which states: ``50 jobs: 2 running, 46 queued, 2 failed``."""
    return f"{len(standing.jobs):,} jobs: {_words(standing, _IN_WORDS)}"


def _words(standing: Standing, states: Sequence[JobStatus]) -> str:
    counts = standing.counts.copy()
    lost = _lost(standing)
    counts[JobStatus.CANCELED] -= lost.total()
    parts = [f"{counts[status]:,} {status.word}" for status in states if counts[status] > 0]
    if JobStatus.CANCELED in states:
        parts += [f"{count:,} {word}" for word, count in lost.items()]
    return ", ".join(parts)


def _lost(standing: Standing) -> Counter[str]:
    """How many have ended with their session, by what that says."""
    if not standing.counts[JobStatus.CANCELED]:
        return Counter()
    return Counter(job.reason for job in standing.ended if job.ended_with_session)


def head_html(standing: Standing, moment: str = "") -> str:
    """Counts, time and bar.

    Args:
        standing: The group's jobs, at least one.
        moment: When that was so, for a page that nobody brings up to date.
    """
    when = moment if moment and standing.has_active else ""
    if when:
        title = _title_at(standing, when)
    else:
        title = _title(_look(standing), counts_text(standing), _time(standing, dated=bool(moment)))
    return (
        f'<div style="font-family:{FONT};color:{TEXT};line-height:1.5">'
        f'<div style="display:flex;flex-wrap:wrap;gap:0 10px;align-items:baseline">{title}</div>'
        f"{_bar(standing.counts, with_running=not when)}</div>"
    )


def _title_at(standing: Standing, moment: str) -> str:
    """Where nobody brings it up to date, what goes on comes last: it may be all that was lost."""
    words = _words(standing, [status for status in _IN_WORDS if status.is_terminal])
    ended = f"{len(standing.jobs):,} jobs: {words}{',' if words else ''}"
    goes_on = _words(standing, [status for status in _IN_WORDS if not status.is_terminal])
    return f'<span style="font-weight:600">{html.escape(ended)}</span>' + marked_state(
        _title(_look(standing), goes_on, moment)
    )


def _title(look: Look, words: str, time: str) -> str:
    return (
        f'<span style="color:{look.colour};font-weight:600" role="status">'
        f'<span aria-hidden="true">{look.sign}</span> {html.escape(words)}</span>'
        f'<span style="color:{FAINT};font-variant-numeric:tabular-nums"> {time}</span>'
    )


def errors_html(standing: Standing) -> str:
    """What went wrong, of the first jobs that failed; empty if none did."""
    failed = [job for job in standing.jobs if job.status is JobStatus.ERRORED]
    lines = [f"{job.spec.name}: {ansi.plain(job.reason)}" for job in failed[:_ERRORS]]
    if len(failed) > _ERRORS:
        lines.append(f"and {len(failed) - _ERRORS:,} more")
    colour = LOOKS[JobStatus.ERRORED].colour
    return "".join(
        f'<div style="color:{colour};overflow-wrap:anywhere;font-family:{FONT};'
        f'line-height:1.5">{html.escape(line)}</div>'
        for line in lines
    )


def kept_view(
    key: str, standing: Standing, outputs: str = "", *, ended: bool, when: str = ""
) -> KeptView:
    """What a saved notebook shows of a group.

    Args:
        key: Which.
        standing: Its jobs.
        outputs: What they have put out, as HTML.
        ended: Whether that is its last state.
        when: What the moment was, where nobody hears of later ones.
    """
    moment = f"{at_clock()}{when}"
    table = job_table(standing)
    shown = (
        f'<div style="border:1px solid {BORDER};border-radius:6px;padding:8px 12px;'
        f'max-width:900px">{head_html(standing, moment)}{errors_html(standing)}'
        f'<details style="margin:4px 0;font-family:{FONT};color:{TEXT}">'
        f'<summary style="cursor:pointer;color:{FAINT};font-size:0.9em">Jobs</summary>'
        f"{table._repr_html_()}</details>{outputs}</div>"
    )
    time = _time(standing, dated=True) if ended else f" {moment}"
    text = f"{counts_text(standing)}{time}\n{table!r}"
    return KeptView(key, shown, text, ended, "" if ended else lost_html())


def _look(standing: Standing) -> Look:
    """That of what matters most: what goes on, then what went wrong."""
    counts = standing.counts
    worst = (JobStatus.RUNNING, JobStatus.QUEUED, JobStatus.ERRORED, JobStatus.CANCELED)
    state = next((status for status in worst if counts[status]), JobStatus.COMPLETED)
    is_lost = state is JobStatus.CANCELED and bool(_lost(standing))
    return LOST if is_lost else LOOKS[state]


def _time(standing: Standing, *, dated: bool) -> str:
    """For how long they have run, or ran; empty before the first has started."""
    jobs = standing.jobs
    started = [job.times.started_at for job in jobs if job.times.started_at is not None]
    if not started:
        return ""
    if standing.has_active:
        now = datetime.datetime.now(datetime.UTC)
        return f" for {_seconds(min(started), now, whole=True)}"
    last = _last(jobs)
    # What had not begun has no end of its own, and may be the last to be told.
    ends = [job.times.completed_at for job in jobs if job.times.completed_at is not None]
    end = max(ends, default=max(started))
    return f" after {_seconds(min(started), end)}{ended_at(last, dated=dated)}"


def _seconds(start: datetime.datetime, end: datetime.datetime, *, whole: bool = False) -> str:
    seconds = (end - start).total_seconds()
    return format_duration(float(int(seconds)) if whole else seconds)


def _last(jobs: Sequence[Job]) -> Job:
    """The one that ended last, of jobs that have ended."""
    return max(jobs, key=lambda job: job.times.completed_at or job.times.submitted_at)


def _bar(counts: Counter[JobStatus], *, with_running: bool) -> str:
    """One bar: what has ended in the colours of its ends, then what runs."""
    total = counts.total()
    done = total - counts[JobStatus.RUNNING] - counts[JobStatus.QUEUED]
    parts = "".join(
        f'<div style="width:{100 * counts[status] / total:.2f}%;height:100%;'
        f"background:{LOOKS[status].colour}"
        f'{";opacity:.35" if status is JobStatus.RUNNING else ""}"></div>'
        for status in _IN_BAR
        if counts[status] and (with_running or status.is_terminal)
    )
    return (
        '<div style="display:flex;gap:8px;align-items:center;height:21px;font-size:0.9em">'
        f'<div role="progressbar" aria-label="jobs that have ended" aria-valuemin="0" '
        f'aria-valuemax="{total}" aria-valuenow="{done}" style="display:flex;flex:1 1 60px;'
        f"max-width:560px;height:8px;border-radius:4px;overflow:hidden;background:{TRACK}"
        f'">{parts}</div><span style="color:{FAINT};font-variant-numeric:tabular-nums">'
        f"{done:,}/{total:,}</span></div>"
    )
