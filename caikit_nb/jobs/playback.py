"""Printed text as it stands on a terminal's screen, once the moves of its cursor are played."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MOVES = re.compile(r"[\r\b]|\x1b\[[0-9;?]*[A-GJK]")
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_TOKENS = re.compile(r"(\r)|(\x08+)|\x1b\[([0-9;?]*)([@-~])|([^\r\x08\x1b]+|\x1b)")
_KERAS_RETURN = re.compile(r"\x08+\r")
_TO_PLAY = re.compile(r"[\r\b\x1b]")
_RESET = ("", "0")

_Cell = tuple[str, str]  # its colours, as escape sequences, and its character


def played(text: str) -> str:
    """The text after its carriage returns, backspaces and cursor moves; its colours are kept."""
    text = text.replace("\r\n", "\n")
    if not _MOVES.search(text):
        return text
    # Old Keras goes back by backspaces and then also by a carriage return.
    lines = [_overprinted(line) for line in _KERAS_RETURN.sub("\r", text).split("\n")]
    text = "\n".join(lines)
    return _on_screen(text) if _MOVES.search(text) else text


def _overprinted(line: str) -> str:
    """Of a line that was printed again and again, only the prints that can still be seen."""
    if "\r" not in line or "\b" in line or _moves_beside_returns(line):
        return line
    seen: list[str] = []
    width = -1
    for part in reversed(line.split("\r")):
        own = _width(part)
        if own > width and part:
            seen.append(part)
            width = own
    # A print that is shorter than the one before it covers that with spaces.
    return seen[0].rstrip(" ") if len(seen) == 1 else "\r".join(reversed(seen))


def _moves_beside_returns(line: str) -> bool:
    return "\x1b" in line and any(match[0] != "\r" for match in _MOVES.finditer(line))


def _width(part: str) -> int:
    return len(_ESCAPES.sub("", part)) if "\x1b" in part else len(part)


def _on_screen(text: str) -> str:
    screen = _Screen()
    for number, line in enumerate(text.split("\n")):
        if number:
            screen.feed_line()
        screen.play(line)
    return "\n".join(screen.lines())


class _Screen:
    """Rows without end; a cursor that stays within what was written."""

    def __init__(self) -> None:
        self._rows: list[str | list[_Cell]] = [[]]
        self._row, self._column = 0, 0
        self._style = ""

    def play(self, line: str) -> None:
        """Play what was printed up to a line's end."""
        if not self._style and not self._rows[self._row] and not _TO_PLAY.search(line):
            self._rows[self._row] = line  # most lines of most logs
            self._column = len(line)
            return
        for token in _TOKENS.finditer(line):
            self._take(token)

    def feed_line(self) -> None:
        """Go to the beginning of the next row."""
        self._row, self._column = self._row + 1, 0
        if self._row == len(self._rows):
            self._rows.append([])

    def _take(self, token: re.Match[str]) -> None:
        carriage_return, backspaces, arguments, command, text = token.groups()
        if text:
            self._write(text)
        elif carriage_return:
            self._column = 0
        elif backspaces:
            self._column = max(0, self._column - len(backspaces))
        elif command == "m":
            self._style = "" if arguments in _RESET else f"{self._style}\x1b[{arguments}m"
        elif command in "ABCDEFG":
            self._move(command, _count(arguments))
        elif command in "JK":
            self._erase(command, arguments or "0")

    def lines(self) -> Iterator[str]:
        """What the screen shows."""
        return (row if isinstance(row, str) else _painted(row) for row in self._rows)

    def _cells(self) -> list[_Cell]:
        row = self._rows[self._row]
        if isinstance(row, str):
            row = self._rows[self._row] = [("", character) for character in row]
        return row

    def _write(self, text: str) -> None:
        cells = self._cells()
        if len(cells) < self._column:
            cells += [("", " ")] * (self._column - len(cells))
        end = self._column + len(text)
        cells[self._column : end] = [(self._style, character) for character in text]
        self._column = end

    def _move(self, command: str, count: int) -> None:
        if command in "AF":
            self._row = max(0, self._row - count)
        elif command in "BE":
            self._row = min(len(self._rows) - 1, self._row + count)
        elif command == "C":
            self._column += count
        elif command == "D":
            self._column = max(0, self._column - count)
        if command in "EF":
            self._column = 0
        elif command == "G":
            self._column = count - 1

    def _erase(self, command: str, what: str) -> None:
        cells = self._cells()
        if what == "0":
            del cells[self._column :]
        elif what == "1":
            cells[: self._column] = [("", " ")] * min(self._column, len(cells))
        else:
            cells.clear()
        if command == "J" and what == "0":
            del self._rows[self._row + 1 :]


def _count(arguments: str) -> int:
    first = arguments.partition(";")[0]
    return max(1, int(first[:4])) if first.isdigit() else 1


def _painted(cells: list[_Cell]) -> str:
    pieces: list[str] = []
    style = ""
    shown = len(cells)
    while shown and cells[shown - 1] == ("", " "):
        shown -= 1  # what covers another print
    for own, character in cells[:shown]:
        if own != style:
            pieces.append(("\x1b[0m" if style else "") + own)
            style = own
        pieces.append(character)
    return "".join(pieces) + ("\x1b[0m" if style else "")
