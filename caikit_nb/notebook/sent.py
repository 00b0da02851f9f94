"""Widgets that are told only what is new to them, and how many messages that takes."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from caikit_nb.notebook.breath import breathe
from caikit_nb.notebook.encodable import encodable


class Sender:
    """Sets traits of widgets, and counts the messages that this sends."""

    def __init__(self) -> None:
        self._count = 0

    def set(self, widget: widgets.Widget, **values: Any) -> None:
        """Give traits their values, in one message, if any of them is new."""
        breathe()
        asked = {name: encodable(value) for name, value in values.items()}
        new = {name: value for name, value in asked.items() if getattr(widget, name) != value}
        if new:
            self._count += 1
            with widget.hold_sync():
                for name, value in new.items():
                    setattr(widget, name, value)

    def sent(self, count: int) -> None:
        """So many were sent otherwise."""
        self._count += count

    def take_count(self) -> int:
        """How many messages there were since this was asked last."""
        count, self._count = self._count, 0
        return count
