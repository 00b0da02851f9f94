"""A job's whole card without widgets: as HTML for a saved page, as text for a terminal."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from caikit_nb.jobs.job import Job
from caikit_nb.jobs.progress import Bar
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook.bar_numbers import bar_numbers
from caikit_nb.notebook.card_output import Piece, Text, last_lines, pieces, static_display
from caikit_nb.notebook.card_parts import (
    after,
    all_notes,
    chart_html,
    drawn_metrics,
    ended_at,
    error_html,
    head_html,
    lost_html,
    notes_html,
    seen,
    source_html,
    state_word,
    way,
)
from caikit_nb.notebook.chart import text_chart
from caikit_nb.notebook.kept import dropped, kept_until
from caikit_nb.notebook.looks import BORDER
from caikit_nb.notebook.view_bundle import KEPT_VIEW, without_widget

_TEXT_LINES = 5


@dataclass(frozen=True, slots=True)
class Shown:
    """What a card shows of what a job has put out.

    It outlives that: retention frees memory and files, and takes back nothing that was shown.

    Attributes:
        pieces: Text and rich outputs, in order.
        error: As HTML; empty if there is none.
        last_lines: Of the text, without colours.
    """

    pieces: tuple[Piece, ...] = ()
    error: str = ""
    last_lines: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pieces or self.error)

    @property
    def is_cut(self) -> bool:
        """Whether there is more text than this."""
        return any(isinstance(piece, Text) and piece.left_out for piece in self.pieces)

    @property
    def output_html(self) -> str:
        """The pieces for a page without a kernel."""
        return "".join(
            piece.html if isinstance(piece, Text) else static_display(piece)
            for piece in self.pieces
        )


def shown_of(job: Job) -> Shown:
    """What there is to show now."""
    lines = last_lines(job.attempt, _TEXT_LINES)
    found = pieces(job.attempt)
    if job.ended.is_set():
        found = map(_settled, found)
    return Shown(tuple(found), error_html(job), tuple(lines))


def _settled(piece: Piece) -> Piece:
    """A card of a job of this job, which has ended with it."""
    if isinstance(piece, Text) or KEPT_VIEW not in piece.data:
        return piece
    return dataclasses.replace(piece, data=without_widget(piece.data, lost_html("the outer job")))


def card_html(job: Job, shown: Shown, moment: str, log: str = "") -> str:
    """The card as a saved notebook keeps it.

    Args:
        job: Whose.
        shown: What it has put out.
        moment: When that was so, as it is told of a job that has not ended.
        log: The whole log as HTML, if that is more.
    """
    kept = dropped(job, keeps_output=bool(shown)) or kept_until(job)
    return (
        f'<div style="border:1px solid {BORDER};border-radius:6px;padding:8px 12px;'
        f'max-width:900px">{head_html(job, kept=kept, moment=moment)}{chart_html(job)}'
        f"{shown.output_html}{log}{shown.error}{notes_html(job)}{source_html(job)}</div>"
    )


def card_text(job: Job, shown: Shown, moment: str) -> str:
    """The card in plain text; see `card_html` for the arguments."""
    how = f"{state_word(job)}{after(job)}{ended_at(job, dated=True)}"
    if not job.status.is_terminal:
        how = f"{state_word(job)} {moment}{seen(job)}"
    lines = [f"job {job.spec.name}: {how} [{way(job)}]"]
    lines += [f"  {_bar_text(bar)}" for bar in job.attempt.bars.latest()]
    metrics, others = drawn_metrics(job)
    for name, points in metrics.items():
        values = [value for _, value in points]
        lines.append(f"  {name} {text_chart(values, width=30)} {values[-1]:.4g}")
    lines += [f"  {others}"] if others else []
    lines += [f"  | {line}" for line in shown.last_lines]
    if job.attempt.remark:
        lines.append(f"  {job.attempt.remark}")
    if job.reason and job.status is not JobStatus.COMPLETED:
        lines.append(f"  {job.reason}")
    lines += [f"  {note}" for note in all_notes(job)]
    return "\n".join(lines)


def _bar_text(bar: Bar) -> str:
    fraction = bar.fraction
    done = "?" if fraction is None else f"{100 * fraction:.0f} %"
    filled = round(20 * (fraction or 0.0))
    desc = f"{bar.desc} " if bar.desc else ""
    return f"{desc}[{'#' * filled}{'.' * (20 - filled)}] {done} {bar_numbers(bar)}"
