"""The part of a card with a job's text and rich outputs, in their order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from caikit_nb.jobs.displays import Display
from caikit_nb.notebook.card_output import Piece, Text
from caikit_nb.notebook.card_widgets import CardWidgets
from caikit_nb.notebook.sent import Sender

_Key = tuple[str, int]


class OutputArea:
    """One widget for each piece; a piece that changes keeps its widget."""

    def __init__(self, make: CardWidgets, sender: Sender) -> None:
        self._make, self._sender = make, sender
        self._widgets: dict[_Key, Any] = {}
        self._shown: dict[_Key, Display] = {}
        self.box = make.column()

    def update(self, pieces: Iterable[Piece]) -> None:
        """Show these pieces."""
        keys = [self._show(piece) for piece in pieces]
        children = tuple(self._widgets[key] for key in keys)
        self._sender.set(self.box, children=children)
        for key in self._widgets.keys() - set(keys):
            self._shown.pop(key, None)
            self._widgets.pop(key).close()
            self._sender.sent(1)

    def _show(self, piece: Piece) -> _Key:
        if isinstance(piece, Text):
            key = ("text", piece.after)
            if key not in self._widgets:
                self._add(key, self._make.html(value=piece.html))
            self._sender.set(self._widgets[key], value=piece.html)
            return key
        key = ("display", piece.number)
        if key not in self._widgets:
            self._add(key, self._make.output())
        if self._shown.get(key) != piece:
            self._shown[key] = piece
            self._sender.set(self._widgets[key], outputs=(_display_data(piece),))
        return key

    def _add(self, key: _Key, widget: Any) -> None:
        self._widgets[key] = widget
        self._sender.sent(1)


def _display_data(display: Display) -> dict[str, Any]:
    return {
        "output_type": "display_data",
        "data": dict(display.data),
        "metadata": dict(display.metadata),
    }
