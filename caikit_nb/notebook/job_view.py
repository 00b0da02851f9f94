"""A job's whole card without widgets: as HTML for a saved page, as text for a terminal."""

from __future__ import annotations

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.progress import Bar
from caikit_nb.notebook.bar_numbers import bar_numbers
from caikit_nb.notebook.card_output import Text, last_lines, pieces, static_display
from caikit_nb.notebook.card_parts import (
    after,
    chart_html,
    drawn_metrics,
    ending_html,
    head_html,
    source_html,
    state_word,
    way,
)
from caikit_nb.notebook.chart import text_chart
from caikit_nb.notebook.kept import kept_until
from caikit_nb.notebook.looks import BORDER

_TEXT_LINES = 5


def card_html(job: Job) -> str:
    """The card as a saved notebook keeps it."""
    output = "".join(
        piece.html if isinstance(piece, Text) else static_display(piece)
        for piece in pieces(job.attempt)
    )
    return (
        f'<div style="border:1px solid {BORDER};border-radius:6px;padding:8px 12px;'
        f'max-width:900px">{head_html(job, kept=kept_until(job))}{chart_html(job)}{output}'
        f"{ending_html(job)}{source_html(job)}</div>"
    )


def card_text(job: Job) -> str:
    """The card in plain text."""
    lines = [f"job {job.spec.name}: {state_word(job)}{after(job)} [{way(job)}]"]
    lines += [f"  {_bar_text(bar)}" for bar in job.attempt.bars.latest()]
    metrics, others = drawn_metrics(job)
    for name, points in metrics.items():
        values = [value for _, value in points]
        lines.append(f"  {name} {text_chart(values, width=30)} {values[-1]:.4g}")
    lines += [f"  {others}"] if others else []
    lines += [f"  | {line}" for line in last_lines(job.attempt, _TEXT_LINES)]
    if job.attempt.remark:
        lines.append(f"  {job.attempt.remark}")
    if job.reason:
        lines.append(f"  {job.reason}")
    lines += [f"  {note}" for note in job.notes]
    return "\n".join(lines)


def _bar_text(bar: Bar) -> str:
    fraction = bar.fraction
    done = "?" if fraction is None else f"{100 * fraction:.0f} %"
    filled = round(20 * (fraction or 0.0))
    desc = f"{bar.desc} " if bar.desc else ""
    return f"{desc}[{'#' * filled}{'.' * (20 - filled)}] {done} {bar_numbers(bar)}"
