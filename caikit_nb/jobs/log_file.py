"""A job's log on disk, read in parts by those who follow it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MAX_PART_BYTES = 256 * 2**10


@dataclass(frozen=True, slots=True)
class LogPart:
    """A part of a log.

    Attributes:
        text: What it says.
        offset: Where it begins, in bytes.
        end: Where the next part begins.
        size: How long the log is.
    """

    text: str
    offset: int
    end: int
    size: int


def log_name(attempt: int) -> str:
    """The file's name in the job's directory.

    Args:
        attempt: From 1.
    """
    return "output.log" if attempt == 1 else f"output-{attempt}.log"


def read_part(path: Path, offset: int | None, max_bytes: int = MAX_PART_BYTES) -> LogPart:
    """Read a part of a log; an empty one if there is no log, as before the first word.

    Args:
        path: The log.
        offset: Where to begin, as the part before said; None for a part at the log's end.
        max_bytes: How much at most.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            start = max(0, size - max_bytes) if offset is None else min(max(0, offset), size)
            file.seek(start)
            data = file.read(max_bytes)
    except FileNotFoundError:
        return LogPart("", 0, 0, 0)
    if offset is None and start:
        line, newline, rest = data.partition(b"\n")
        if newline:  # begin with a whole line
            start, data = start + len(line) + 1, rest
    whole = data[: _whole_characters(data)]
    return LogPart(whole.decode("utf-8", "replace"), start, start + len(whole), size)


def _whole_characters(data: bytes) -> int:
    """How much of it are whole UTF-8 characters: the last may not have been written yet."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte >= 0xC0:
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if length > back else len(data)
        if byte < 0x80:
            break
    return len(data)
