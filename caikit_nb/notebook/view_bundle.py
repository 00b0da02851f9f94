"""What a cell's output holds of something live: a widget, and its last state for later.

A saved notebook is opened without the kernel whose widgets it shows. JupyterLab then shows the
HTML by `KEPT_VIEW` (labextension/src/card.ts) where it would say that a widget is missing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from caikit_nb.notebook.encodable import encodable

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KEPT_VIEW = "application/vnd.caikit-nb.card+json"
_STATE = "<!--state-->{}<!--/state-->"
_STATES = re.compile(re.escape(_STATE).replace(r"\{\}", ".*?"), re.DOTALL)


@dataclass(frozen=True, slots=True)
class KeptView:
    """What a saved notebook shows of something live.

    Attributes:
        key: Which: for the first card of a job that job's id, also once it was run again.
        html: How it stands, for a page without a kernel.
        text: The same where there is no HTML.
        ended: Whether that is its last state.
        lost: What takes the place of each part that `marked_state` has marked, if the kernel ends
            before that; as HTML.
    """

    key: str
    html: str
    text: str
    ended: bool
    lost: str = ""

    def __post_init__(self) -> None:
        for name in ("html", "text", "lost"):
            object.__setattr__(self, name, encodable(getattr(self, name)))


def marked_state(html: str) -> str:
    """Mark what tells in the HTML of a view how something stands that has not ended."""
    return _STATE.format(html)


def without_widget(data: Mapping[str, Any], lost: str) -> dict[str, Any]:
    """What is left of a bundle when the process that has the widget has ended.

    Args:
        data: The bundle.
        lost: How that stands which had not ended before, as HTML.
    """
    html = str(data.get("text/html", ""))
    kept = data[KEPT_VIEW]
    if isinstance(kept, Mapping) and not kept.get("ended"):
        html = _STATES.sub(lambda _: lost, html)
    return {"text/html": html, "text/plain": data.get("text/plain", "")}


def at_clock() -> str:
    """The moment at which a saved view was true, for those who read it later."""
    return time.strftime("at %H:%M:%S on %Y-%m-%d")


def view_bundle(
    view: KeptView, model_id: str | None, job_ids: Sequence[str] = ()
) -> dict[str, Any]:
    """The forms in which a front end may show it.

    Args:
        view: Its state now.
        model_id: The widget; None where nobody sees it: who converts the notebook would take it
            rather than the HTML, and needs scripts from elsewhere to show it.
        job_ids: The jobs whose card it is; empty if it is no card.
    """
    kept: dict[str, Any] = {"version": 1, "ended": view.ended, "key": view.key}
    if not view.ended:
        kept["lost"] = view.lost
    widget = {"version_major": 2, "version_minor": 0, "model_id": model_id}
    return {
        **({} if model_id is None else {WIDGET_VIEW: widget}),
        KEPT_VIEW: {**kept, "jobs": list(job_ids)} if job_ids else kept,
        "text/html": view.html,
        "text/plain": view.text,
    }
