"""Bars that a job only prints: lines that it writes again and again over themselves.

Keras, tools that are run as commands, processes that a job starts, and hand-made bars print so. A
line counts as a bar if it is printed over by a carriage return or by backspaces and holds two of
three things: a count (``12/100``), a percentage, a drawn bar. Count and percentage must agree.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from caikit_nb.jobs.bar_text import BarText, read_bar

_WINDOW_BYTES = 8192  # what is older than this is drawn over before anybody sees it
_LONGEST_PRINT_BYTES = 1000
_REMEMBERED_BYTES = 120
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
    """Finds the bars in what one job prints."""

    __slots__ = ("_by_stream",)

    def __init__(self) -> None:
        self._by_stream: dict[str, _Stream] = {}

    def feed(self, stream: str, data: bytes) -> list[dict[str, Any]]:
        """Take output.

        Returns:
            States of bars as in ``bars`` messages, with negative ids; mostly none.
        """
        reader = self._by_stream.get(stream)
        if reader is None:
            reader = self._by_stream[stream] = _Stream(-1 - len(self._by_stream))
        return reader.feed(data)


class _Stream:
    """The bars on ``stdout`` or ``stderr``."""

    __slots__ = ("_before", "_heading", "_id", "_is_in_a_bar", "_shown")

    def __init__(self, first_id: int) -> None:
        self._id = first_id
        self._before = b""
        self._is_in_a_bar = False
        self._heading = ""
        self._shown: dict[int, _Shown] = {}

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n")
        # Nearly all output ends here: a job may print a million lines.
        if b"\r" not in data and b"\b" not in data and not self._is_in_a_bar:
            self._before = (self._before + data[-_REMEMBERED_BYTES:])[-_REMEMBERED_BYTES:]
            return []
        text = self._window(self._before + data)
        current: dict[int, tuple[_Print, str]] = {}
        for one in _prints(text):
            self._note_heading(one)
            if one.is_of_a_bar:
                current[one.row] = (one, self._heading)
        self._remember(text)
        # Above other bars a line's end is a move down to them.
        is_alone = not any((*current, *self._shown))
        return [s for row, found in current.items() for s in self._tell(row, *found, is_alone)]

    def _window(self, text: bytes) -> bytes:
        """The end of a text; of what is cut off, only the line above counts."""
        if len(text) <= _WINDOW_BYTES:
            return text
        *_, above, _ = (b"\n" + text[:-_WINDOW_BYTES]).rsplit(b"\n", 2)
        heading = _HEADING.fullmatch(above)
        self._heading = heading[1].decode() if heading else ""
        return text[-_WINDOW_BYTES:]

    def _note_heading(self, one: _Print) -> None:
        """Keras writes the epoch on a line of its own above the bar."""
        heading = None if one.is_over_another else _HEADING.fullmatch(one.text)
        if heading:
            self._heading = heading[1].decode()
        elif one.is_followed_by == b"\n" and not one.is_of_a_bar:
            self._heading = ""

    def _remember(self, text: bytes) -> None:
        """Keep the line that isn't finished, from its last writing on."""
        line = text.rpartition(b"\n")[2]
        self._is_in_a_bar = b"\r" in line or b"\b" in line
        if self._is_in_a_bar:
            start = max(line.rstrip(b"\r\b").rfind(mark) for mark in (b"\r", b"\b"))
            self._before = line[max(0, start) :][:_LONGEST_PRINT_BYTES]
        else:
            self._before = text[-_REMEMBERED_BYTES:]

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
        }


def _prints(text: bytes) -> Iterator[_Print]:
    for match in _PRINTS.finditer(text):
        before, piece, after = match.groups()
        if len(piece) <= _LONGEST_PRINT_BYTES:
            bare = piece.rstrip(b" ")
            row = 0
            while bare.endswith(_UP):
                bare, row = bare[: -len(_UP)], row + 1
            yield _Print(piece, row, before.endswith((b"\r", b"\b")), after)
