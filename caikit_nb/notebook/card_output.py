"""What a job put out, as its card shows it: text and rich outputs in their order.

Of long text the card shows the first and the last lines.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

from caikit_nb.jobs.attempt import Attempt
from caikit_nb.jobs.displays import Display
from caikit_nb.jobs.logs import LogSpool
from caikit_nb.jobs.playback import played
from caikit_nb.jobs.sizes import format_size
from caikit_nb.notebook import ansi
from caikit_nb.notebook.looks import BACKGROUND, CODE_FONT, FAINT, TEXT, folded

LINE_CHARACTERS = 400
FULL_LOG_BYTES = 256 * 2**10
SAVED_LOG_BYTES = 200_000
"""How much of a log a saved notebook has."""
_HEAD_BYTES, _TAIL_BYTES = 4 * 2**10, 16 * 2**10


@dataclass(frozen=True, slots=True)
class Size:
    """How many lines of a text are shown.

    Attributes:
        head: At its beginning.
        tail: At its end.
    """

    head: int
    tail: int


LAST, BETWEEN = Size(3, 12), Size(3, 3)


@dataclass(frozen=True, slots=True)
class Text:
    """Printed text.

    Attributes:
        after: The number of the display before it; -1 for none.
        lines: As on a terminal, colours included, cut to what a card shows.
        left_out: What is missing before the line number `head`; empty if nothing is.
        head: How many lines are before that.
    """

    after: int
    lines: tuple[str, ...]
    left_out: str = ""
    head: int = 0

    @property
    def html(self) -> str:
        """As an element."""
        shown = [ansi.to_html(line) for line in self.lines]
        if self.left_out:
            shown.insert(self.head, f'<span style="color:{FAINT}">{self.left_out}</span>')
        return preformatted("\n".join(shown))


Piece = Text | Display


def pieces(attempt: Attempt) -> Iterator[Piece]:
    """What an attempt put out since it last cleared its output, in order."""
    log, displays = attempt.log, attempt.displays
    at, after = displays.begins_at, -1
    for display in tuple(displays):
        if display.at_byte > at:
            yield from _text(log, after, at, display.at_byte, BETWEEN)
        yield display
        at, after = max(at, display.at_byte), display.number
    yield from _text(log, after, at, log.size_bytes, LAST)


def _text(log: LogSpool, after: int, start: int, end: int, size: Size) -> Iterator[Text]:
    if end - start <= _HEAD_BYTES + _TAIL_BYTES:
        lines = _lines(log.read(start, end))
        missing = len(lines) - size.head - size.tail
        if not lines:
            return
        if missing <= 1:
            yield Text(after, _cut(lines))
            return
        left_out = f"… {missing} lines …"
    else:
        first = _lines(log.read(start, start + _HEAD_BYTES))[:-1]
        last = _lines(_whole_lines(log.read(end - _TAIL_BYTES, end)))
        lines = [*first[: size.head], *last[-size.tail :]]
        left_out = f"… of {format_size(end - start)} of text the first and the last lines …"
        size = Size(min(size.head, len(first)), size.tail)
    yield Text(after, _cut([*lines[: size.head], *lines[-size.tail :]]), left_out, size.head)


def _whole_lines(data: bytes) -> bytes:
    """Without the rest of a line at the beginning, if there are more."""
    _, newline, rest = data.partition(b"\n")
    return rest if newline else data


def _lines(data: bytes) -> list[str]:
    text = played(data.decode("utf-8", "replace")).rstrip("\n")
    return text.split("\n") if text else []


def _cut(lines: list[str]) -> tuple[str, ...]:
    return tuple(
        line if len(line) <= LINE_CHARACTERS else f"{line[:LINE_CHARACTERS]}…" for line in lines
    )


def last_lines(attempt: Attempt, count: int) -> list[str]:
    """The last lines of text, without colours."""
    log = attempt.log
    found = _lines(log.read(max(0, log.size_bytes - _TAIL_BYTES), log.size_bytes))
    return [ansi.plain(line) for line in _cut(found[-count:])]


def full_log_html(attempt: Attempt) -> str:
    """The log to scroll in; of a very long one the end."""
    log = attempt.log
    end = log.size_bytes
    start = max(0, end - FULL_LOG_BYTES)
    data = log.read(start, end)
    text = ansi.to_html("\n".join(_lines(_whole_lines(data) if start else data)))
    note = ""
    if start:
        where = f"; all of it is in {log.path}" if log.path is not None else ""
        note = f"… the last {format_size(FULL_LOG_BYTES)} of {format_size(end)}{where} …"
        note = f'<span style="color:{FAINT}">{html.escape(note)}</span>\n'
    scrolled = preformatted(note + text, "max-height:420px;overflow-y:auto;")
    return scrolled.replace("<pre ", '<pre tabindex="0" ', 1)  # so that keys can scroll it


def saved_log_html(attempt: Attempt) -> str:
    """The log, folded, for a page without a kernel; of a very long one its beginning and end."""
    log, size = attempt.log, attempt.log.size_bytes
    half = SAVED_LOG_BYTES // 2
    if size <= SAVED_LOG_BYTES:
        lines = _lines(log.read(0, size))
        return folded(f"Log, {len(lines):,} lines", ansi.to_html("\n".join(lines)))
    first = _lines(log.read(0, half))
    last = _lines(_whole_lines(log.read(size - half, size)))
    missing = f"… {format_size(size - 2 * half)} in between are not kept in the notebook …"
    text = "\n".join(
        (
            ansi.to_html("\n".join(first)),
            f'<span style="color:{FAINT}">{missing}</span>',
            ansi.to_html("\n".join(last)),
        )
    )
    title = f"Log, first and last {format_size(half)} of {format_size(size)}"
    return folded(title, text)


def preformatted(text: str, style: str = "") -> str:
    """A box of printed text, given as HTML."""
    return (
        f'<pre aria-label="output of the job" style="margin:4px 0;padding:6px 8px;'
        f"max-width:100%;box-sizing:border-box;overflow-x:auto;white-space:pre-wrap;"
        f"overflow-wrap:anywhere;line-height:1.35;font-size:0.9em;font-family:{CODE_FONT};"
        f'color:{TEXT};background:{BACKGROUND};border-radius:4px;{style}">{text}</pre>'
    )


def static_display(display: Display) -> str:
    """A rich output as HTML, for a page without a kernel."""
    data = display.data
    if "text/html" in data:
        return f"<div>{data['text/html']}</div>"
    for kind in ("image/png", "image/jpeg"):
        if kind in data:
            alternative = html.escape(str(data.get("text/plain", "figure of the job")), quote=True)
            return f'<img alt="{alternative}" src="data:{kind};base64,{data[kind]}"/>'
    if "image/svg+xml" in data:
        return f"<div>{data['image/svg+xml']}</div>"
    return preformatted(html.escape(str(data.get("text/plain", ""))))
