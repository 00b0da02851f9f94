"""What a cell's output holds of something live: a widget, and its last state for later.

A saved notebook is opened without the kernel whose widgets it shows. JupyterLab then shows the
HTML by `KEPT_VIEW` (labextension/src/card.ts) where it would say that a widget is missing.
"""

from __future__ import annotations

from typing import Any

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
KEPT_VIEW = "application/vnd.caikit-nb.card+json"


def view_bundle(
    model_id: str, html: str, text: str, *, has_ended: bool, job_id: str | None = None
) -> dict[str, Any]:
    """The forms in which a front end may show it.

    Args:
        model_id: The widget.
        html: Its state now.
        text: The same where there is no HTML.
        has_ended: Whether that is its last state; else a page without the kernel says so.
        job_id: The job whose card it is; None if it is no card.
    """
    kept = {"version": 1, "ended": has_ended}
    return {
        WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": model_id},
        KEPT_VIEW: kept if job_id is None else {**kept, "id": job_id},
        "text/html": html,
        "text/plain": text,
    }
