"""The parts of a job's card: pure functions from a job to HTML."""

from __future__ import annotations

import dataclasses
import datetime
import html
import itertools
from collections.abc import Mapping

from caikit_nb.execution.exception_pickler import PackedError
from caikit_nb.jobs.durations import format_duration
from caikit_nb.jobs.job import Job
from caikit_nb.jobs.progress import Bar
from caikit_nb.jobs.queue import NEAR
from caikit_nb.jobs.sizes import format_size
from caikit_nb.jobs.start_method import LOCAL
from caikit_nb.jobs.states import JobStatus
from caikit_nb.notebook import ansi
from caikit_nb.notebook.bar_numbers import bar_numbers
from caikit_nb.notebook.chart import line_chart
from caikit_nb.notebook.chart_series import Series
from caikit_nb.notebook.looks import (
    CODE_FONT,
    FAINT,
    FONT,
    LOOKS,
    LOST,
    TEXT,
    WARNED,
    Look,
    bar_html,
    folded,
)
from caikit_nb.notebook.view_bundle import marked_state

BAR_HEIGHT = 21
TRACEBACK_LINES = 60
TRACEBACK_CHARACTERS = 1000
SOURCE_CHARACTERS = 20_000
MAX_SERIES = 16
"""How many series of metrics are drawn: each takes a while, and many can't be told apart."""
_PARAM_CHARACTERS = 60
_MADE = 8  # so many names are told


def look_of(job: Job) -> Look:
    """How its state is shown."""
    if job.ended_with_session:
        return dataclasses.replace(LOST, word=job.reason)
    if job.status is JobStatus.COMPLETED and job.reason:
        return dataclasses.replace(WARNED, word=f"completed {job.reason}")
    return LOOKS[job.status]


def state_word(job: Job) -> str:
    """The state in a word."""
    return look_of(job).word


def head_html(
    job: Job,
    position: int | None = None,
    kept: str = "",
    bar_rows: int = 0,
    *,
    moment: str = "",
) -> str:
    """Name, state, time, how it runs, and the bars.

    Args:
        job: Which.
        position: Its place in the queue (`JobQueue.place`).
        kept: How long its result is kept.
        bar_rows: For how many bars there is to be room, so that what is below stays in place.
        moment: When it was true, for a card that nobody brings up to date.
    """
    title = _saved_title(job, moment) if moment else _title(job, position)
    bars = job.attempt.bars.latest()
    room = max(bar_rows, len(bars)) * BAR_HEIGHT
    drawn = "".join(_bar(bar) for bar in bars)
    return (
        f'<div style="font-family:{FONT};color:{TEXT};line-height:1.5">'
        f'{title}{_facts(job, kept)}<div style="min-height:{room}px">{drawn}</div>'
        "</div>"
    )


def _title(job: Job, position: int | None, *, dated: bool = False) -> str:
    look = look_of(job)
    word = look.word
    if position is not None and job.status is JobStatus.QUEUED:
        place = f"number {position} in the queue" if position <= NEAR else f"behind the next {NEAR}"
        word = f"queued, {place}"
    state_html = _state(look.colour, look.sign, word)
    return _title_of(job, state_html, f"{after(job)}{ended_at(job, dated=dated)}{_remaining(job)}")


def _saved_title(job: Job, moment: str) -> str:
    look = LOOKS[job.status]
    if job.status.is_terminal:
        return _title(job, None, dated=True)
    state_html = _state(look.colour, look.sign, f"{look.word} {moment}")
    return _title_of(job, marked_state(state_html), seen(job))


def lost_html(what: str = "the kernel") -> str:
    """The state of a job with whose kernel, or with `what`, it has ended."""
    return _state(LOST.colour, LOST.sign, f"ended with {what}")


def _state(colour: str, sign: str, word: str) -> str:
    return (
        f'<span style="color:{colour};font-weight:600" role="status">'
        f'<span aria-hidden="true">{sign}</span> {word}</span>'
    )


def _title_of(job: Job, state_html: str, time: str) -> str:
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:0 10px;align-items:baseline">'
        f"{state_html}"
        f'<span style="font-weight:600;font-family:{CODE_FONT};overflow-wrap:anywhere">'
        f"{html.escape(job.spec.name)}</span>"
        f'<span style="color:{FAINT};font-variant-numeric:tabular-nums">{time}</span></div>'
    )


def seen(job: Job) -> str:
    """How long a job that has not ended had run at the last look."""
    elapsed_s = job.times.elapsed_s
    return f" last seen after {format_duration(float(int(elapsed_s)))}" if elapsed_s else ""


def after(job: Job) -> str:
    """For how long it has run, or ran."""
    if not job.times.elapsed_s:
        return ""
    preposition = " after" if job.status.is_terminal else " for"
    return f"{preposition} {format_duration(_whole(job, job.times.elapsed_s))}"


def ended_at(job: Job, *, dated: bool) -> str:
    """At what time of the day it ended; empty before.

    Args:
        job: Which.
        dated: On which day, too, though it is today: who reads it may read it later.
    """
    ended = job.times.completed_at
    if ended is None or not job.status.is_terminal:
        return ""
    comma = "," if job.times.elapsed_s else ""
    local = ended.astimezone()
    is_today = local.date() == datetime.datetime.now().astimezone().date()
    if is_today and not dated:
        return f"{comma} at {local:%H:%M}"
    return f"{comma} on {local:%Y-%m-%d at %H:%M}"


def _whole(job: Job, seconds: float) -> float:
    """While it runs the seconds are whole, so that the card changes once a second."""
    return seconds if job.status.is_terminal else float(int(seconds))


def _remaining(job: Job) -> str:
    main = job.attempt.bars.main
    if job.status is not JobStatus.RUNNING or main is None or main.remaining_s is None:
        return ""
    return f", about {format_duration(float(int(main.remaining_s + 1)))} to go"


def _facts(job: Job, kept: str) -> str:
    spec = job.spec
    parts = [f"{way(job)}: {spec.reason}"]
    if spec.params:
        parts.append(", ".join(_param(name, value) for name, value in spec.params.items()))
    if spec.experiment:
        parts.append(f"experiment {spec.experiment}")
    if spec.shipped:
        parts.append(f"shipped {_sizes(spec.shipped)}")
    if spec.retries and job.attempt.number > 1:
        parts.append(f"attempt {job.attempt.number} of {spec.retries + 1}")
    if spec.after and job.status is JobStatus.QUEUED:
        parts.append(f"after {', '.join(spec.after)}")
    if spec.outs:
        parts.append(f"brings back {', '.join(spec.outs)}")
    parts += _costs(job)
    if kept:
        parts.append(kept)
    text = html.escape(" · ".join(parts))
    return f'<div style="color:{FAINT};font-size:0.9em;overflow-wrap:anywhere">{text}</div>'


def _param(name: str, value: object) -> str:
    text = f"{name}={value!r}"
    return text if len(text) <= _PARAM_CHARACTERS else f"{text[: _PARAM_CHARACTERS - 1]}…"


def _costs(job: Job) -> list[str]:
    """What it used, once it has ended."""
    usage = job.attempt.usage
    costs = []
    if job.ended.is_set() and usage.cpu_time_s is not None:
        costs.append(f"CPU {format_duration(usage.cpu_time_s)}")
    if job.ended.is_set() and usage.peak_memory_bytes:
        costs.append(f"peak memory {format_size(usage.peak_memory_bytes)}")
    return costs


def way(job: Job) -> str:
    """Where it runs if that isn't this machine's processes and threads, else how it starts."""
    return job.spec.start_method if job.spec.backend == LOCAL else job.spec.backend


def _sizes(shipped: Mapping[str, int]) -> str:
    largest = sorted(shipped.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{name} {format_size(size)}" for name, size in largest[:6])
    more = f" and {len(largest) - 6} more" if len(largest) > 6 else ""
    return shown + more


def _bar(bar: Bar) -> str:
    look = LOOKS[JobStatus.COMPLETED if bar.closed else JobStatus.RUNNING]
    label = bar.desc.rstrip(": ") or "progress"
    name = html.escape(label)
    return (
        f'<div style="display:flex;gap:8px;align-items:center;height:{BAR_HEIGHT}px;'
        f'margin-left:{12 * min(bar.position, 6)}px;font-size:0.9em;white-space:nowrap">'
        f'<span style="min-width:70px;max-width:40%;overflow:hidden;text-overflow:ellipsis" '
        f'title="{name}">{name}</span>'
        '<span style="display:flex;flex:1 1 60px;min-width:40px;max-width:360px">'
        f"{bar_html(bar.fraction, look.colour, label)}</span>"
        f'<span style="color:{FAINT};font-variant-numeric:tabular-nums;overflow:hidden;'
        f'text-overflow:ellipsis">{html.escape(bar_numbers(bar))}</span></div>'
    )


def chart_html(job: Job, *, log_scale: bool = False) -> str:
    """The metrics; empty if there are none."""
    if job.is_output_purged or not len(job.attempt.metrics):
        return ""
    shown, others = drawn_metrics(job)
    chart = line_chart(shown, log_scale=log_scale)
    note = (
        f'<div style="color:{FAINT};font-size:0.9em;line-height:1.5;font-family:{FONT}">'
        f"{html.escape(others)}</div>"
        if others
        else ""
    )
    return f'<div style="max-width:620px;margin:4px 0">{chart}{note}</div>'


def drawn_metrics(job: Job) -> tuple[Mapping[str, Series], str]:
    """The metrics that are drawn, those that came first, and how many more there are, in words."""
    metrics = job.attempt.metrics
    shown: dict[str, Series] = dict(itertools.islice(metrics.items(), MAX_SERIES))
    more = len(metrics) - len(shown)
    if not more:
        return shown, ""
    noun = "metric" if more == 1 else "metrics"
    return shown, f"{more:,} more {noun}: {job.spec.name}.metrics has all of them"


def traceback_text(job: Job) -> str:
    """The error's traceback with terminal colours; empty if there is no error."""
    error = job.packed_error
    if error is None:
        return ""
    if isinstance(error, PackedError):
        return "\n".join(error.rendered) or error.traceback
    rendered = getattr(error, "_render_traceback_", None)
    return "\n".join(rendered()) if rendered is not None else ""


def error_html(job: Job) -> str:
    """Its error, the traceback folded; empty if there is none."""
    if job.status is not JobStatus.ERRORED:
        return ""
    reason = html.escape(ansi.plain(job.reason))
    colour = LOOKS[JobStatus.ERRORED].colour
    headline = (
        f'<div role="alert" style="color:{colour};font-weight:600;margin:4px 0;'
        f'overflow-wrap:anywhere;font-family:{FONT};line-height:1.5">{reason}</div>'
    )
    trace = traceback_text(job)
    if not trace:
        return headline
    cut = [line[:TRACEBACK_CHARACTERS] for line in trace.split("\n")[-TRACEBACK_LINES:]]
    return headline + folded("Traceback", ansi.to_html("\n".join(cut)))


def source_html(job: Job) -> str:
    """Its code, folded; empty for a function."""
    source = job.spec.source
    if not source:
        return ""
    cut = "" if len(source) <= SOURCE_CHARACTERS else "\n…"
    return folded("Code", html.escape(source[:SOURCE_CHARACTERS] + cut))


def all_notes(job: Job) -> list[str]:
    """Its notes, and before them what its cell has made that can be brought back."""
    names = [*job.made.untaken, *job.made.gone]
    if not names:
        return list(job.notes)
    more = f" and {len(names) - _MADE} more" if len(names) > _MADE else ""
    gone = " · dropped" if job.made.gone else ""
    return [f"made here: {', '.join(names[:_MADE])}{more}{gone}", *job.notes]


def notes_html(job: Job) -> str:
    """What there is to say of it; empty if there is nothing."""
    notes = all_notes(job)
    if job.attempt.remark:
        notes.insert(0, job.attempt.remark)
    if job.status is JobStatus.CANCELED and job.reason and not job.ended_with_session:
        notes.insert(0, job.reason)
    if job.attempt.displays.left_out:
        notes.append(job.attempt.displays.left_out_words)
    return "".join(
        f'<div style="color:{FAINT};font-size:0.9em;line-height:1.5;font-family:{FONT};'
        f'overflow-wrap:anywhere">{html.escape(note)}</div>'
        for note in notes
    )
