"""How a job looks: pure functions from a job to HTML and to text.

The HTML uses JupyterLab's own colours where it finds them and reads well without.
"""

from __future__ import annotations

import html
from collections.abc import Mapping

from caikit_nb.execution.exception_pickler import PackedError
from caikit_nb.jobs.durations import format_duration
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.progress import Bar
from caikit_nb.jobs.sizes import format_size
from caikit_nb.jobs.start_method import LOCAL
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook import ansi
from caikit_nb.notebook.chart import line_chart, text_chart
from caikit_nb.notebook.kept import kept_until

LOG_LINES = 12
LINE_CHARACTERS = 400
TRACEBACK_LINES = 60
TRACEBACK_CHARACTERS = 1000

_TEXT = "var(--jp-ui-font-color1, inherit)"
_FAINT = "var(--jp-ui-font-color2, #6b7280)"
_BORDER = "var(--jp-border-color2, #d0d5dd)"
_FONT = "var(--jp-ui-font-family, system-ui, sans-serif)"
_CODE_FONT = "var(--jp-code-font-family, ui-monospace, monospace)"

_LOOKS = {
    JobStatus.QUEUED: ("queued", "var(--jp-warn-color1, #b7791f)", "◔"),
    JobStatus.RUNNING: ("running", "var(--jp-brand-color1, #1976d2)", "●"),
    JobStatus.COMPLETED: ("completed", "var(--jp-success-color1, #2e7d32)", "✓"),
    JobStatus.CANCELED: ("canceled", "var(--jp-ui-font-color2, #6b7280)", "⊘"),
    JobStatus.ERRORED: ("failed", "var(--jp-error-color1, #c62828)", "✗"),
    JobStatus.PRUNED: ("pruned", "var(--jp-ui-font-color2, #6b7280)", "✂"),
}


def state_word(job: Job) -> str:
    """The state in a word."""
    return _LOOKS[job.status][0]


def head_html(job: Job, position: int | None = None, kept: str = "") -> str:
    """Name, state, time, how it runs, and the bars.

    Args:
        job: Which.
        position: Its place in the queue.
        kept: How long its result is kept.
    """
    bars = "".join(_bar(bar) for bar in job.attempt.bars.latest())
    return (
        f'<div style="font-family:{_FONT};color:{_TEXT};line-height:1.5">'
        f"{_title(job, position)}{_subtitle(job, kept)}{bars}</div>"
    )


def body_html(job: Job) -> str:
    """Chart, log, error and notes; empty if there is nothing to show."""
    parts = [_chart(job), _log(job), _error(job), _notes(job)]
    return "".join(parts)


def card_html(job: Job) -> str:
    """The whole card without widgets, as a saved notebook keeps it."""
    shown = "".join(_static_display(display.data) for display in job.attempt.displays)
    return (
        f'<div style="border:1px solid {_BORDER};border-radius:6px;padding:8px 12px;'
        f'max-width:900px">{head_html(job, kept=kept_until(job))}{body_html(job)}{shown}</div>'
    )


def card_text(job: Job) -> str:
    """The card in plain text."""
    spec = job.spec
    lines = [f"job {spec.name}: {state_word(job)}{_after(job)} [{way(job)}]"]
    lines += [f"  {_bar_text(bar)}" for bar in job.attempt.bars.latest()]
    for name, points in job.attempt.metrics.items():
        values = [value for _, value in points]
        lines.append(f"  {name} {text_chart(values, width=30)} {values[-1]:.4g}")
    tail = _log_tail(job, 5)
    lines += [f"  | {ansi.plain(line)}" for line in tail]
    if job.reason:
        lines.append(f"  {job.reason}")
    lines += [f"  {note}" for note in job.notes]
    return "\n".join(lines)


def _title(job: Job, position: int | None) -> str:
    word, colour, sign = _LOOKS[job.status]
    if position is not None and job.status is JobStatus.QUEUED:
        word = f"queued, number {position} in the queue"
    name = html.escape(job.spec.name)
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:2px 10px;align-items:baseline">'
        f'<span style="color:{colour};font-weight:600" role="status">'
        f'<span aria-hidden="true">{sign}</span> {word}</span>'
        f'<span style="font-weight:600;font-family:{_CODE_FONT}">{name}</span>'
        f'<span style="color:{_FAINT};font-variant-numeric:tabular-nums">{_after(job)}'
        f"{_remaining(job)}</span></div>"
    )


def _after(job: Job) -> str:
    if not job.times.elapsed_s:
        return ""
    preposition = " after" if job.status.is_terminal else " for"
    return f"{preposition} {format_duration(_whole(job, job.times.elapsed_s))}"


def _whole(job: Job, seconds: float) -> float:
    """While it runs the seconds are whole, so that the card changes once a second."""
    return seconds if job.status.is_terminal else float(int(seconds))


def _remaining(job: Job) -> str:
    main = job.attempt.bars.main
    if job.status is not JobStatus.RUNNING or main is None or main.remaining_s is None:
        return ""
    return f", about {format_duration(float(int(main.remaining_s + 1)))} to go"


def _subtitle(job: Job, kept: str) -> str:
    spec = job.spec
    parts = [f"{way(job)}: {spec.reason}"]
    if spec.params:
        parts.append(", ".join(f"{name}={value!r}" for name, value in spec.params.items()))
    if spec.shipped:
        parts.append(f"shipped {_sizes(spec.shipped)}")
    if spec.retries and job.attempt.number > 1:
        parts.append(f"attempt {job.attempt.number} of {spec.retries + 1}")
    if spec.after and job.status is JobStatus.QUEUED:
        parts.append(f"after {', '.join(spec.after)}")
    if spec.outs:
        parts.append(f"brings back {', '.join(spec.outs)}")
    if job.ended.is_set() and job.attempt.usage.cpu_time_s is not None:
        parts.append(f"CPU {format_duration(job.attempt.usage.cpu_time_s)}")
    if kept:
        parts.append(kept)
    text = html.escape(" · ".join(parts))
    return f'<div style="color:{_FAINT};font-size:0.9em">{text}</div>'


def way(job: Job) -> str:
    """Where it runs if that isn't this machine's processes and threads, else how it starts."""
    return job.spec.start_method if job.spec.backend == LOCAL else job.spec.backend


def _sizes(shipped: Mapping[str, int]) -> str:
    largest = sorted(shipped.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name} {format_size(size)}" for name, size in largest[:6])
    more = f" and {len(largest) - 6} more" if len(largest) > 6 else ""
    return shown + more


def _bar(bar: Bar) -> str:
    fraction = bar.fraction
    percent = 0.0 if fraction is None else 100 * fraction
    width = 100.0 if fraction is None else percent
    colour = "var(--jp-success-color1, #2e7d32)" if bar.closed else _LOOKS[JobStatus.RUNNING][1]
    label = html.escape(bar.desc) or "progress"
    return (
        f'<div style="display:flex;gap:8px;align-items:center;margin:3px 0 3px '
        f'{12 * min(bar.position, 6)}px;font-size:0.9em">'
        f'<span style="min-width:70px">{label}</span>'
        f'<div role="progressbar" aria-label="{label}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent:.0f}" style="flex:1;max-width:360px;min-width:60px;height:8px;'
        f'border-radius:4px;overflow:hidden;background:var(--jp-layout-color3, #e0e3e8)">'
        f'<div style="width:{width:.1f}%;height:100%;background:{colour};'
        f'{"opacity:.35" if fraction is None else ""}"></div></div>'
        f'<span style="color:{_FAINT};font-variant-numeric:tabular-nums;white-space:nowrap">'
        f"{html.escape(_bar_numbers(bar))}</span></div>"
    )


def _bar_numbers(bar: Bar) -> str:
    total = "" if bar.total is None else f"/{bar.total:g}"
    parts = [f"{bar.n:g}{total}"]
    rate = bar.rate or (bar.n / bar.elapsed_s if bar.elapsed_s and bar.n else None)
    if rate:
        parts.append(f"{rate:.3g} {bar.unit}/s" if rate >= 1 else f"{1 / rate:.3g} s/{bar.unit}")
    if bar.postfix:
        parts.append(bar.postfix)
    return " · ".join(parts)


def _bar_text(bar: Bar) -> str:
    fraction = bar.fraction
    done = "?" if fraction is None else f"{100 * fraction:.0f} %"
    filled = round(20 * (fraction or 0.0))
    desc = f"{bar.desc} " if bar.desc else ""
    return f"{desc}[{'#' * filled}{'.' * (20 - filled)}] {done} {_bar_numbers(bar)}"


def _chart(job: Job) -> str:
    if not len(job.attempt.metrics):
        return ""
    return f'<div style="max-width:620px">{line_chart(dict(job.attempt.metrics))}</div>'


def _log_tail(job: Job, lines: int) -> list[str]:
    text = ansi.played(job.attempt.log.text(tail=lines)).rstrip("\n")
    return [line[:LINE_CHARACTERS] for line in text.split("\n")[-lines:]] if text else []


def _log(job: Job) -> str:
    tail = _log_tail(job, LOG_LINES)
    if not tail:
        return ""
    text = "\n".join(ansi.to_html(line) for line in tail)
    return (
        f'<pre aria-label="output of the job" style="margin:6px 0;padding:6px 8px;max-width:100%;'
        f"overflow-x:auto;white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.35;"
        f"font-size:0.9em;font-family:{_CODE_FONT};color:{_TEXT};"
        f'background:var(--jp-layout-color2, #f4f5f7);border-radius:4px">{text}</pre>'
    )


def traceback_text(job: Job) -> str:
    """The error's traceback with terminal colours; empty if there is no error."""
    error = job.packed_error
    if error is None:
        return ""
    if isinstance(error, PackedError):
        return "\n".join(error.rendered) or error.traceback
    rendered = getattr(error, "_render_traceback_", None)
    return "\n".join(rendered()) if rendered is not None else ""


def _error(job: Job) -> str:
    if job.status is not JobStatus.ERRORED:
        return ""
    reason = html.escape(ansi.plain(job.reason))
    colour = _LOOKS[JobStatus.ERRORED][1]
    headline = f'<div style="color:{colour};font-weight:600;margin:4px 0">{reason}</div>'
    trace = traceback_text(job)
    if not trace:
        return headline
    cut = [line[:TRACEBACK_CHARACTERS] for line in trace.split("\n")[-TRACEBACK_LINES:]]
    lines = "\n".join(cut)
    return (
        f'{headline}<details style="margin:4px 0"><summary>Traceback</summary>'
        f'<pre style="font-size:0.85em;line-height:1.35;overflow-x:auto;'
        f'font-family:{_CODE_FONT}">{ansi.to_html(lines)}</pre></details>'
    )


def _notes(job: Job) -> str:
    notes = list(job.notes)
    if job.expired:
        notes.append(f"The result is gone: {job.expired}.")
    if job.attempt.displays.left_out:
        notes.append(f"{job.attempt.displays.left_out} earlier displays are left out.")
    return "".join(
        f'<div style="color:{_FAINT};font-size:0.9em;line-height:1.5;font-family:{_FONT}">'
        f"{html.escape(note)}</div>"
        for note in notes
    )


def _static_display(data: Mapping[str, object]) -> str:
    if "text/html" in data:
        return f"<div>{data['text/html']}</div>"
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            return f'<img alt="figure of the job" src="data:{kind};base64,{data[kind]}"/>'
    if "image/svg+xml" in data:
        return f"<div>{data['image/svg+xml']}</div>"
    text = html.escape(str(data.get("text/plain", "")))
    return f"<pre>{text}</pre>"
