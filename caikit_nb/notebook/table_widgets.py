"""Makes the widgets of one live table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import ipywidgets as widgets
from ipywidgets.widgets.widget_string import HTMLStyle

from caikit_nb.notebook.at_once import heard_at_once


class TableWidgets:
    """They share the models of their layouts and styles, which were two thirds of all else.

    The style sheet knows each by its name.
    """

    def __init__(self) -> None:
        self._made: set[Any] = set()
        self._plain = widgets.Layout()
        self._button = widgets.Layout(width="auto", height="26px", margin="0")
        self._icon = widgets.Layout(width="26px", height="26px", margin="0", padding="0")
        self._button_style = widgets.ButtonStyle()
        self._html_style = HTMLStyle()

    def column(self, name: str) -> widgets.VBox:
        """A box for the whole: without the style sheet it is a column all the same."""
        return self._keep(widgets.VBox(layout=self._plain, _dom_classes=(name,)))

    def box(self, name: str, children: Sequence[Any] = ()) -> widgets.Box:
        """A box."""
        return self._keep(
            widgets.Box(children=children, layout=self._plain, _dom_classes=_classes(name))
        )

    def html(self, name: str = "", value: str = "") -> widgets.HTML:
        """Text."""
        made = widgets.HTML(
            value, layout=self._plain, style=self._html_style, _dom_classes=_classes(name)
        )
        return self._keep(made)

    def entry(self, placeholder: str, tooltip: str) -> widgets.Text:
        """A field for text."""
        layout = widgets.Layout(width="140px", margin="0")
        return self._keep(widgets.Text(placeholder=placeholder, tooltip=tooltip, layout=layout))

    def button(self, **traits: Any) -> widgets.Button:
        """A button as wide as its text."""
        return self._keep(widgets.Button(layout=self._button, style=self._button_style, **traits))

    def icon_button(
        self, name: str, icon: str, description: str, tooltip: str = ""
    ) -> widgets.Button:
        """A small one that shows its icon only; its description is for screen readers."""
        made = widgets.Button(
            icon=icon,
            description=description,
            tooltip=tooltip or description,
            layout=self._icon,
            style=self._button_style,
            _dom_classes=("caikit-jobs-icon", *_classes(name)),
        )
        return self._keep(made)

    def drop(self, widget: Any) -> None:
        """Close one of them."""
        self._made.discard(widget)
        widget.close()

    def close(self, *, but: Collection[Any] = ()) -> None:
        """Close all of them but these."""
        for widget in self._made.difference(but):
            self.drop(widget)
        if not but:
            shared = (self._plain, self._button, self._icon, self._button_style, self._html_style)
            for model in shared:
                model.close()

    def _keep(self, widget: Any) -> Any:
        self._made.add(widget)
        return heard_at_once(widget)


def _classes(name: str) -> tuple[str, ...]:
    return (f"caikit-jobs-{name}",) if name else ()
