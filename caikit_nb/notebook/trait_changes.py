"""Changes of widgets, and what they cost."""

from __future__ import annotations

from typing import Any

from caikit_nb.notebook.encodable import encodable


class TraitChanges:
    """Sets what differs and nothing else.

    Attributes:
        messages: How many messages that took so far, one for each changed widget.
    """

    def __init__(self) -> None:
        self.messages = 0

    def set(self, widget: Any, **traits: Any) -> None:
        """Give a widget these traits, in one message at most."""
        asked = {name: encodable(value) for name, value in traits.items()}
        changed = {name: value for name, value in asked.items() if getattr(widget, name) != value}
        if changed:
            self.messages += 1
            with widget.hold_sync():
                for name, value in changed.items():
                    setattr(widget, name, value)
