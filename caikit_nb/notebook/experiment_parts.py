"""The parts of an experiment's view: pure functions from a picture of it to HTML and text."""

from __future__ import annotations

import html
from collections.abc import Sequence

from caikit_nb.experiments.job import Job
from caikit_nb.experiments.picture import Picture
from caikit_nb.experiments.results import number
from caikit_nb.experiments.statuses import CRASHED, DONE, JOB_STATUSES, PRUNED, QUEUED, RUNNING
from caikit_nb.jobs.durations import format_duration
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook.looks import BORDER, CODE_FONT, FAINT, FONT, LOOKS, TEXT
from caikit_nb.notebook.view_bundle import marked_state

_LOOKS = {
    QUEUED: LOOKS[JobStatus.QUEUED],
    RUNNING: LOOKS[JobStatus.RUNNING],
    DONE: LOOKS[JobStatus.COMPLETED],
    CRASHED: LOOKS[JobStatus.ERRORED],
    PRUNED: LOOKS[JobStatus.PRUNED],
}
_MOST_ROWS = 15
_MOST_COLUMNS = 10
_VALUE_CHARACTERS = 24


UNFINISHED = "unfinished when its kernel ended"
"""How a saved view says it of jobs that ran or waited."""


def view_html(picture: Picture, plots: Sequence[str] = (), note: str = "", moment: str = "") -> str:
    """The whole view.

    Args:
        picture: What it shows.
        plots: Its plots as SVG.
        note: A line in the place of plots; empty for none.
        moment: When that was so, for a page that nobody brings up to date; empty if it is so for
            good.
    """
    return (
        # A grid, for a wide table to scroll within its column rather than to widen it.
        f'<div style="font-family:{FONT};color:{TEXT};line-height:1.5;display:grid;'
        f'grid-template-columns:minmax(0,1fr)">{_head(picture, moment)}'
        f"{_best(picture)}{_plots(plots, note)}{_table(picture, moment)}</div>"
    )


def view_text(picture: Picture, moment: str = "") -> str:
    """The view where there is no HTML; see `view_html` for `moment`."""
    when = f" {moment}" if moment else ""
    lines = [f"experiment {picture.name} ({picture.search}): {_counted(picture)}{when}"]
    if picture.best is not None:
        lines.append(f"best {picture.metric}: {_best_words(picture, picture.best)}")
    return "\n".join(lines)


def _head(picture: Picture, moment: str) -> str:
    states = "".join(
        f'<span style="color:{_LOOKS[status].colour};white-space:nowrap">'
        f'<span aria-hidden="true">{_LOOKS[status].sign}</span> '
        f"{count} {_word(status, moment)}</span>"
        for status, count in _in_order(picture)
    )
    states = states or "<span>no jobs yet</span>"
    if moment and not {QUEUED, RUNNING} & picture.counts.keys():
        # Between two jobs of a run, or before its first.
        states += f"<span>{marked_state(f'goes on {moment}')}</span>"
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:0 12px;align-items:baseline">'
        f'<span style="font-weight:600;font-family:{CODE_FONT};overflow-wrap:anywhere">'
        f"{html.escape(picture.name)}</span>"
        f'<span style="color:{FAINT}">{html.escape(picture.search)}{_done(picture)}</span>'
        f"{states}</div>"
    )


def _done(picture: Picture) -> str:
    """Whether it gives out no more jobs."""
    return f", {picture.status.lower()}" if picture.status == DONE else ""


def _word(status: str, moment: str) -> str:
    """A state; at a moment, where it is not the last."""
    word = status.lower()
    return marked_state(f"{word} {moment}") if moment and status in (QUEUED, RUNNING) else word


def _in_order(picture: Picture) -> list[tuple[str, int]]:
    counts = picture.counts
    return [(status, counts[status]) for status in JOB_STATUSES if status in counts]


def _counted(picture: Picture) -> str:
    counted = [f"{count} {status.lower()}" for status, count in _in_order(picture)]
    return ", ".join(counted) or "no jobs yet"


def _best(picture: Picture) -> str:
    if picture.best is None:
        return ""
    words = html.escape(_best_words(picture, picture.best))
    metric = html.escape(picture.metric or "")
    return (
        f'<div style="overflow-wrap:anywhere"><span style="color:{FAINT}">best {metric} </span>'
        f"<strong>{words}</strong></div>"
    )


def _best_words(picture: Picture, best: Job) -> str:
    value = _shown(best.results[picture.metric or ""])
    at = ", ".join(f"{name}={_shown(each)}" for name, each in best.hyperparameters.items())
    return f"{value} with {at or 'no hyperparameters'} (job {best.job_id})"


def _plots(plots: Sequence[str], note: str) -> str:
    if note:
        return f'<div style="color:{FAINT};font-size:0.9em">{html.escape(note)}</div>'
    if not plots:
        return ""
    columns = "".join(
        f'<div style="flex:1 1 320px;min-width:0;max-width:560px">{plot}</div>' for plot in plots
    )
    return f'<div style="display:flex;flex-wrap:wrap;gap:4px 16px;margin:6px 0">{columns}</div>'


def _table(picture: Picture, moment: str) -> str:
    if not picture.jobs:
        return ""
    shown = _rows(picture)
    parameters = picture.hyperparameter_names[:_MOST_COLUMNS]
    results = picture.result_names[:_MOST_COLUMNS]
    line = f"border-bottom:1px solid {BORDER};padding:2px 10px 2px 0;text-align:left"
    reason = ["reason"] if any(job.reason for job in shown) else []
    head = "".join(
        f'<th style="{line};font-weight:600;background:none">{html.escape(name)}</th>'
        for name in ("job", "status", *parameters, *results, "time", *reason)
    )
    body = "".join(
        f'<tr style="background:none">{_cells(job, picture, parameters, results, moment)}</tr>'
        for job in shown
    )
    more = len(picture.jobs) - len(shown)
    rest = f'<div style="color:{FAINT};font-size:0.9em">{more} more</div>' if more else ""
    return (
        '<div style="overflow-x:auto;margin-top:4px"><table style="border-collapse:collapse;'
        f'font-size:0.9em;font-variant-numeric:tabular-nums;margin:0">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{rest}"
    )


def _rows(picture: Picture) -> list[Job]:
    """Those that run, then the best, then the newest: as many as one can read."""
    sign = -1.0 if picture.objective == "max" else 1.0

    def place(job: Job) -> tuple[int, float]:
        value = number(job.results.get(picture.metric or "")) if job.status == DONE else None
        if job.status == RUNNING:
            return 0, 0.0
        return (2, 0.0) if value is None else (1, sign * value)

    newest_first = list(reversed(picture.jobs))
    return sorted(newest_first, key=place)[:_MOST_ROWS]


def _cells(
    job: Job,
    picture: Picture,
    parameters: Sequence[str],
    results: Sequence[str],
    moment: str,
) -> str:
    look = _LOOKS[job.status]
    padding = "padding:1px 10px 1px 0;text-align:left;vertical-align:top;white-space:nowrap"
    is_best = picture.best is not None and picture.best.job_id == job.job_id
    weight = ";font-weight:600" if is_best else ""
    status = (
        f'<td style="{padding};color:{look.colour}">'
        f'<span aria-hidden="true">{look.sign}</span> {_word(job.status, moment)}</td>'
    )
    values = [_shown(job.hyperparameters.get(name, "")) for name in parameters]
    values += [_shown(job.results.get(name, "")) for name in results]
    rest = "".join(
        f'<td style="{padding}{weight}">{html.escape(value)}</td>'
        for value in (*values, _time(job))
    )
    name = f'<td style="{padding};font-family:{CODE_FONT}">{html.escape(job.job_id)}</td>'
    return name + status + rest + _reason(job, padding)


def _reason(job: Job, padding: str) -> str:
    """Where others have one, too; a long one is whole under the pointer."""
    if not job.reason:
        return ""
    words = html.escape(job.reason)
    return (
        f'<td style="{padding};color:{FAINT};max-width:300px;overflow:hidden;'
        f'text-overflow:ellipsis" title="{words}">{words}</td>'
    )


def _time(job: Job) -> str:
    if job.started_at is None or job.ended_at is None:
        return ""
    return format_duration((job.ended_at - job.started_at).total_seconds())


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[: _VALUE_CHARACTERS - 1]}…"
