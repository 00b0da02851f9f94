"""How the states look: words, signs, colours, fonts and bars, the same on cards and in tables.

The colours are JupyterLab's own where they are found and read well without.
"""

from __future__ import annotations

import html
from typing import NamedTuple

from caikit_nb.jobs.states import JobStatus

TEXT = "var(--jp-ui-font-color1, inherit)"
FAINT = "var(--jp-ui-font-color2, #6b7280)"
BORDER = "var(--jp-border-color2, #d0d5dd)"
FONT = "var(--jp-ui-font-family, system-ui, sans-serif)"
CODE_FONT = "var(--jp-code-font-family, ui-monospace, monospace)"
TROUGH = "var(--jp-layout-color3, #e0e3e8)"


class Look(NamedTuple):
    """How a state looks: the sign and the word tell it without the colour."""

    word: str
    colour: str
    sign: str


LOOKS = {
    JobStatus.QUEUED: Look("queued", "var(--jp-warn-color1, #b7791f)", "◔"),
    JobStatus.RUNNING: Look("running", "var(--jp-brand-color1, #1976d2)", "●"),
    JobStatus.COMPLETED: Look("completed", "var(--jp-success-color1, #2e7d32)", "✓"),
    JobStatus.CANCELED: Look("canceled", "var(--jp-ui-font-color2, #6b7280)", "⊘"),
    JobStatus.ERRORED: Look("failed", "var(--jp-error-color1, #c62828)", "✗"),
    JobStatus.PRUNED: Look("pruned", "var(--jp-ui-font-color2, #6b7280)", "✂"),
}


def sign_html(status: JobStatus) -> str:
    """A state's sign in its colour; for those who see it, as the word is there too."""
    look = LOOKS[status]
    return f'<span aria-hidden="true" style="color:{look.colour}">{look.sign}</span>'


def bar_html(fraction: float | None, colour: str, label: str) -> str:
    """A bar that fills the width it is given.

    Args:
        fraction: The part that is done, 0 to 1; None if that can't be told.
        colour: Of the done part.
        label: What it measures, for those who can't see it.
    """
    percent = 100 * (1.0 if fraction is None else fraction)
    now = "" if fraction is None else f' aria-valuenow="{percent:.0f}"'
    faint = ";opacity:.35" if fraction is None else ""
    return (
        f'<div role="progressbar" aria-label="{html.escape(label)}" aria-valuemin="0" '
        f'aria-valuemax="100"{now} style="flex:1;height:8px;border-radius:4px;overflow:hidden;'
        f'background:{TROUGH}"><div style="width:{percent:.1f}%;height:100%;'
        f'background:{colour}{faint}"></div></div>'
    )
