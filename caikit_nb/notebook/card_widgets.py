"""Makes the widgets of cards, which share the models of their layouts and styles.

A page that is reloaded asks for the state of every model, and a session may have hundreds of cards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
from ipywidgets.widgets.widget_bool import ToggleButtonStyle
from ipywidgets.widgets.widget_string import HTMLStyle, TextStyle

from caikit_nb.notebook.at_once import heard_at_once
from caikit_nb.notebook.looks import BORDER

_LAYOUTS: dict[str, dict[str, str]] = {
    "plain": {},
    "card": {
        "border": f"1px solid {BORDER}",
        "padding": "6px 12px 8px 12px",
        "margin": "4px 0 4px 0",
        "max_width": "900px",
    },
    "top": {
        "justify_content": "space-between",
        "align_items": "flex-start",
        "flex_flow": "row wrap",
    },
    "row": {"flex_flow": "row wrap", "align_items": "flex-start"},
    "head": {"flex": "1 1 300px", "min_width": "0"},
    "chart": {"flex": "1 1 260px", "min_width": "0"},
    "buttons": {"flex": "0 0 auto", "min_height": "28px"},
    # Within a column it would else be as wide as the card.
    "button": {"width": "auto", "height": "24px", "flex": "0 0 auto", "align_self": "flex-start"},
    "entry": {"width": "260px", "margin": "0"},
}


class CardWidgets:
    """Makes them for all cards of a session."""

    def __init__(self) -> None:
        self._shared: dict[str, Any] = {}

    def html(self, layout: str = "plain", value: str = "") -> widgets.HTML:
        """Text."""
        return widgets.HTML(value, layout=self._layout(layout), style=self._style(HTMLStyle))

    def row(self, layout: str, children: Sequence[Any] = ()) -> widgets.HBox:
        """Widgets side by side."""
        return widgets.HBox(children, layout=self._layout(layout))

    def column(self, layout: str = "plain", children: Sequence[Any] = ()) -> widgets.VBox:
        """Widgets one below the other."""
        return widgets.VBox(children, layout=self._layout(layout))

    def output(self) -> widgets.Output:
        """A place for a rich output."""
        return widgets.Output(layout=self._layout("plain"))

    def button(self, description: str, icon: str, tooltip: str) -> Any:
        """A button that is as wide as its words."""
        style = self._style(widgets.ButtonStyle)
        made = widgets.Button(
            description=description,
            icon=icon,
            tooltip=tooltip,
            layout=self._layout("button"),
            style=style,
        )
        return heard_at_once(made)

    def toggle(self, description: str, tooltip: str) -> Any:
        """A button that stays pressed."""
        style = self._style(ToggleButtonStyle)
        layout = self._layout("button")
        made = widgets.ToggleButton(
            description=description, tooltip=tooltip, layout=layout, style=style
        )
        return heard_at_once(made)

    def entry(self, description: str, placeholder: str, tooltip: str) -> Any:
        """A field for text with suggestions, its `options`."""
        made = widgets.Combobox(
            description=description,
            placeholder=placeholder,
            tooltip=tooltip,
            continuous_update=False,
            layout=self._layout("entry"),
            style=self._one("entry style", lambda: TextStyle(description_width="auto")),
        )
        return heard_at_once(made)

    def _layout(self, name: str) -> Any:
        return self._one(name, lambda: widgets.Layout(**_LAYOUTS[name]))

    def _style(self, kind: Any) -> Any:
        return self._one(kind.__name__, kind)

    def _one(self, name: str, make: Any) -> Any:
        """The shared model; a new one if somebody has closed all widgets."""
        shared = self._shared.get(name)
        if shared is None or shared.comm is None:
            shared = self._shared[name] = make()
        return shared
