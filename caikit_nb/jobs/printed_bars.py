"""Bars that a job only prints: lines that it writes again and again over themselves.

Keras, tools that are run as commands, processes that a job starts, and hand-made bars print so. A
line counts as a bar if it is printed over by a carriage return or by backspaces and holds two of
three things: a count (``12/100``), a percentage, a drawn bar. Count and percentage must agree.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from caikit_nb.jobs.bar_text import BarText, read_bar

_WINDOW_BYTES = 8192  # what is older than this is drawn over before anybody sees it
_LONGEST_PRINT_BYTES = 1000
_HEADING_BYTES = 64
_FIRST_MOMENT_S = 0.5
_UP = b"\x1b[A"
_PRINTS = re.compile(rb"([\r\b\n]*)([^\r\b\n]+)(?=([\r\b\n]?))")
_HEADING = re.compile(rb"(Epoch \d+/\d+):?\s*")


@dataclass(frozen=True, slots=True)
class _Print:
    """One writing of a line, and what stands around it."""

    text: bytes
    row: int  # how many rows the cursor goes up after it: tqdm's lower bars
    is_over_another: bool
    is_followed_by: bytes

    @property
    def is_of_a_bar(self) -> bool:
        """Whether it takes the place of a writing before it, or has its own taken."""
        return self.is_over_another or self.is_followed_by in (b"\r", b"\b")


@dataclass(frozen=True, slots=True)
class _Shown:
    """A bar as it was last told of."""

    bar: BarText
    desc: str
    began: float
    is_closed: bool


class PrintedBars:
    """Finds the bars in what one job prints.

    Args:
        end_of_log: Gives so many of the bytes that were printed last.
    """

    __slots__ = ("_by_stream", "_end_of_log", "_unfinished")

    def __init__(self, end_of_log: Callable[[int], bytes]) -> None:
        self._end_of_log = end_of_log
        self._by_stream: dict[str, _Stream] = {}
        self._unfinished: set[str] = set()  # the streams whose last line is a bar's

    def feed(self, stream: str, data: bytes) -> list[dict[str, Any]]:
        """Take output, before it is in the log.

        Returns:
            States of bars as in ``bars`` messages, with negative ids; mostly none.
        """
        # Nearly all output ends here: a job may print a million lines.
        if _is_plain(data) and stream not in self._unfinished:
            return []
        data = data.replace(b"\r\n", b"\n")
        if _is_plain(data) and stream not in self._unfinished:
            return []
        reader = self._by_stream.get(stream)
        if reader is None:
            reader = self._by_stream[stream] = _Stream(-1 - len(self._by_stream))
        if stream not in self._unfinished:
            reader.begin(self._end_of_log(_HEADING_BYTES))
        states = reader.feed(data)
        (self._unfinished.add if reader.rest else self._unfinished.discard)(stream)
        return states


class _Stream:
    """The bars on ``stdout`` or ``stderr``.

    Attributes:
        rest: The line of a bar that isn't finished, from its last writing on.
    """

    __slots__ = ("_heading", "_id", "_shown", "rest")

    def __init__(self, first_id: int) -> None:
        self._id = first_id
        self._heading = ""
        self._shown: dict[int, _Shown] = {}
        self.rest = b""

    def begin(self, before: bytes) -> None:
        """A line begins that may be a bar's."""
        self._heading = _heading_above(before)

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Take what is printed until it is known that no line of a bar is unfinished."""
        text = self.rest + data
        if len(text) > _WINDOW_BYTES:
            above, newline, _ = text[:-_WINDOW_BYTES].rpartition(b"\n")
            if newline:  # else the heading is what it was
                self._heading = _heading_above(above + newline)
            text = text[-_WINDOW_BYTES:]
        current: dict[int, tuple[_Print, str]] = {}
        for one in _prints(text):
            self._note_heading(one)
            if one.is_of_a_bar:
                current[one.row] = (one, self._heading)
        self.rest = _unfinished(text)
        # Above other bars a line's end is a move down to them.
        is_alone = not any((*current, *self._shown))
        return [s for row, found in current.items() for s in self._tell(row, *found, is_alone)]

    def _note_heading(self, one: _Print) -> None:
        heading = None if one.is_over_another else _HEADING.fullmatch(one.text)
        if heading:
            self._heading = heading[1].decode()
        elif one.is_followed_by == b"\n" and not one.is_of_a_bar:
            self._heading = ""

    def _tell(
        self, row: int, one: _Print, heading: str, is_alone: bool
    ) -> Iterator[dict[str, Any]]:
        before = self._shown.get(row)
        bar = read_bar(one.text.decode("utf-8", "replace"))
        if bar is None:
            if before is not None and row and not one.text.strip(b" \x1b[A"):
                del self._shown[row]
                yield self._state(row, replace(before, is_closed=True), leave=False)
            return
        desc = bar.desc or heading
        began = time.monotonic()
        if before is not None and before.desc == desc and bar.n >= before.bar.n:
            began = before.began
        shown = _Shown(bar, desc, began, is_alone and one.is_followed_by == b"\n")
        if shown != before:
            self._shown[row] = shown
            yield self._state(row, shown, leave=True)

    def _state(self, row: int, shown: _Shown, *, leave: bool) -> dict[str, Any]:
        bar = shown.bar
        own_clock_s = time.monotonic() - shown.began
        if own_clock_s < _FIRST_MOMENT_S:
            own_clock_s = 0.0  # unknown: it would make a rate of millions
        return {
            "id": self._id - 2 * row,
            "desc": shown.desc,
            "n": bar.n,
            "total": bar.total,
            "elapsed_s": own_clock_s if bar.elapsed_s is None else bar.elapsed_s,
            "rate": bar.rate,
            "unit": bar.unit,
            "unit_scale": bar.unit == "B",
            "postfix": bar.postfix,
            "position": row,
            "leave": leave,
            "closed": shown.is_closed,
            "is_printed": True,
        }


def _is_plain(data: bytes) -> bool:
    return b"\r" not in data and b"\b" not in data


def _heading_above(text: bytes) -> str:
    """Keras writes the epoch on a line of its own above the bar."""
    above, end, rest = text.rpartition(b"\n")
    heading = _HEADING.fullmatch(above.rpartition(b"\n")[2]) if end and not rest else None
    return heading[1].decode() if heading else ""


def _unfinished(text: bytes) -> bytes:
    """The last line, if it is a bar's, from its last writing on."""
    line = text.rpartition(b"\n")[2]
    start = max(line.rstrip(b"\r\b").rfind(mark) for mark in (b"\r", b"\b"))
    is_of_a_bar = b"\r" in line or b"\b" in line
    return line[max(0, start) :][:_LONGEST_PRINT_BYTES] if is_of_a_bar else b""


def _prints(text: bytes) -> Iterator[_Print]:
    for match in _PRINTS.finditer(text):
        before, piece, after = match.groups()
        if len(piece) <= _LONGEST_PRINT_BYTES:
            bare = piece.rstrip(b" ")
            row = 0
            while bare.endswith(_UP):
                bare, row = bare[: -len(_UP)], row + 1
            yield _Print(piece, row, before.endswith((b"\r", b"\b")), after)
