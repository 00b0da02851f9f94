"""The text that a process prints, and what else has its place in it.

Text and messages come through pipes of their own, and so do stdout and stderr. Where their order
is seen, as with a table between two prints or a warning among them, the process leaves marks in
the text on stdout.
"""

from __future__ import annotations

import io
import itertools
import operator
import os
import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

IN_TEXT = "in_text"
"""The key of a message that belongs at a place in the text, with a true value."""

PLACE = "place"
"""What stands for the place of a message among pieces of text."""

# After a mark: what the text is from there on.
_PLACE, _STDERR, _STDOUT = b"p", b"e", b"o"
_STREAMS = {_PLACE: "stdout", _STDERR: "stderr", _STDOUT: "stdout"}
_AT_ONCE_BYTES = 4000  # of 4096, into whose midst no other writer gets: see pipe(7)


def new_mark() -> bytes:
    """What no text contains by chance."""
    return b"\0" + secrets.token_hex(12).encode()


def place(mark: bytes) -> bytes:
    """What a process writes where a message belongs."""
    return mark + _PLACE


class StderrInText(io.FileIO):
    """Descriptor 2, but what is written here takes the way of stdout, in order with its text.

    Args:
        text: Where stdout is read by the parent.
        mark: The mark in its text.
    """

    def __init__(self, text: int, mark: bytes) -> None:
        super().__init__(2, "w", closefd=False)
        self._text, self._before, self._after = text, mark + _STDERR, mark + _STDOUT
        self._pipes = {fd: os.fstat(fd) for fd in (2, text)}

    def write(self, data: ReadableBuffer, /) -> int | None:  # type: ignore[override]
        """Write as much as nobody can write into; None if the pipe is full and doesn't block."""
        if not self._is_ours():
            return super().write(data)
        piece = bytes(memoryview(data).cast("B")[:_AT_ONCE_BYTES])
        try:
            os.write(self._text, self._before + piece + self._after)
        except BlockingIOError:
            return None
        return len(piece)

    def _is_ours(self) -> bool:
        """Who captures stderr puts a file under its number, and a daemon closes all there are."""
        try:
            return all(os.path.samestat(os.fstat(fd), was) for fd, was in self._pipes.items())
        except OSError:
            return False


class Places:
    """Finds marks in what comes on stdout, in portions of any length."""

    def __init__(self, mark: bytes) -> None:
        self._mark, self._rest = mark, b""
        self._stream = "stdout"

    def split(self, data: bytes) -> list[tuple[str, bytes]]:
        """Text, each with its stream, and places; what may begin a mark is kept."""
        text = self._rest + data
        at = self._begins_at(text)
        self._rest = text[at:]
        first, *further = text[:at].split(self._mark)
        found = [(self._stream, first)]
        for text in further:
            sign = text[:1]
            self._stream = _STREAMS[sign]
            if sign == _PLACE:
                found.append((PLACE, b""))
            found.append((self._stream, text[1:]))
        return list(_joined(found))

    def rest(self) -> tuple[str, bytes]:
        """What was kept: no more text comes."""
        rest, self._rest = self._rest, b""
        return self._stream, rest

    def _begins_at(self, text: bytes) -> int:
        at = text.find(self._mark[:1], max(0, len(text) - len(self._mark)))
        while at >= 0 and not self._mark.startswith(text[at:]):
            at = text.find(self._mark[:1], at + 1)
        return len(text) if at < 0 else at


def _joined(pieces: list[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Many prints in a row are one piece."""
    told = [piece for piece in pieces if piece[1] or piece[0] == PLACE]
    for kind, group in itertools.groupby(told, key=operator.itemgetter(0)):
        texts = [text for _, text in group]
        if kind == PLACE:
            yield from ((PLACE, b"") for _ in texts)
        else:
            yield kind, b"".join(texts)
