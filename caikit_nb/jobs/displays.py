"""The rich outputs of a job, in order with its text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caikit_nb.execution.messages import Message

MAX_DISPLAYS = 100
MAX_BYTES = 20 * 2**20


@dataclass(frozen=True, slots=True)
class Display:
    """One rich output.

    Attributes:
        data: The MIME bundle; binary types as base64 text.
        metadata: Its metadata.
        at_byte: How much the job had printed before it.
        is_result: Whether it is the value of the cell's last expression.
        display_id: The id under which a later display may replace it; None for none.
        size_bytes: How much its data takes as JSON.
    """

    data: Mapping[str, Any]
    metadata: Mapping[str, Any]
    at_byte: int
    is_result: bool = False
    display_id: str | None = None
    size_bytes: int = 0

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return dict(self.data), dict(self.metadata)


class Displays(Sequence[Display]):
    """A job's rich outputs, bounded in number and bytes: the newest are kept."""

    __slots__ = ("_clear_next", "_items", "left_out")

    def __init__(self) -> None:
        self._items: tuple[Display, ...] = ()
        self._clear_next = False
        self.left_out = 0

    def take(self, message: Message, at_byte: int) -> None:
        """Take a ``display`` or ``clear_output`` message."""
        if message["kind"] == "clear_output":
            self._clear_next = bool(message["wait"])
            if not self._clear_next:
                self._items = ()
            return
        if self._clear_next:
            self._clear_next, self._items = False, ()
        shown = Display(
            message["data"],
            message["metadata"],
            at_byte,
            bool(message.get("result")),
            message.get("display_id"),
            len(json.dumps(message["data"])),
        )
        self._items = self._with(shown, bool(message.get("update")))
        self._bound()

    def _with(self, shown: Display, update: bool) -> tuple[Display, ...]:
        if not update:
            return (*self._items, shown)
        return tuple(shown if d.display_id == shown.display_id else d for d in self._items)

    def _bound(self) -> None:
        held = sum(shown.size_bytes for shown in self._items)
        while len(self._items) > MAX_DISPLAYS or (held > MAX_BYTES and len(self._items) > 1):
            held -= self._items[0].size_bytes
            self._items = self._items[1:]
            self.left_out += 1

    @property
    def size_bytes(self) -> int:
        """Bytes held."""
        return sum(shown.size_bytes for shown in self._items)

    def clear(self) -> None:
        """Drop them all."""
        self._items = ()

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __iter__(self) -> Iterator[Display]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
