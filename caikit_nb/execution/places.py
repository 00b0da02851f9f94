"""Places in what a process prints, at which its messages belong.

Text and messages come through two pipes. Where their order is seen, as with a table between two
prints, the process leaves a mark in the text.
"""

from __future__ import annotations

import secrets

IN_TEXT = "in_text"
"""The key of a message that belongs at a place in the text, with a true value."""


def new_place() -> bytes:
    """A mark that no text contains by chance."""
    return b"\0" + secrets.token_hex(12).encode() + b"\0"


class Places:
    """Finds a mark in text that comes in pieces of any length."""

    def __init__(self, mark: bytes) -> None:
        self._mark, self._rest = mark, b""

    def split(self, data: bytes) -> list[bytes]:
        """The text up to the first mark, and what follows each; what may begin one is kept."""
        *pieces, last = (self._rest + data).split(self._mark)
        at = self._begins_at(last)
        self._rest = last[at:]
        return [*pieces, last[:at]]

    def rest(self) -> bytes:
        """What was kept: no more text comes."""
        rest, self._rest = self._rest, b""
        return rest

    def _begins_at(self, text: bytes) -> int:
        at = text.find(self._mark[:1], max(0, len(text) - len(self._mark) + 1))
        while at >= 0 and not self._mark.startswith(text[at:]):
            at = text.find(self._mark[:1], at + 1)
        return len(text) if at < 0 else at
