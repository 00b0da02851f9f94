"""Colours, fonts and signs of what we show: JupyterLab's own where they are found.

Outside of JupyterLab, in a saved page for instance, the fallbacks read well on white.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

from caikit_nb.jobs.states import JobStatus

TEXT = "var(--jp-ui-font-color1, inherit)"
FAINT = "var(--jp-ui-font-color2, #6b7280)"
BORDER = "var(--jp-border-color2, #d0d5dd)"
BACKGROUND = "var(--jp-layout-color2, #f4f5f7)"
TRACK = "var(--jp-layout-color3, #e0e3e8)"
FONT = "var(--jp-ui-font-family, system-ui, sans-serif)"
CODE_FONT = "var(--jp-code-font-family, ui-monospace, monospace)"


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown.

    Attributes:
        word: In a word.
        colour: As in CSS.
        sign: A character beside the word, so that the colour is never the only sign.
    """

    word: str
    colour: str
    sign: str


LOOKS = {
    JobStatus.QUEUED: Look(JobStatus.QUEUED.word, "var(--jp-warn-color1, #b7791f)", "◔"),
    JobStatus.RUNNING: Look(JobStatus.RUNNING.word, "var(--jp-brand-color1, #1976d2)", "●"),
    JobStatus.COMPLETED: Look(JobStatus.COMPLETED.word, "var(--jp-success-color1, #2e7d32)", "✓"),
    JobStatus.CANCELED: Look(JobStatus.CANCELED.word, FAINT, "⊘"),
    JobStatus.ERRORED: Look(JobStatus.ERRORED.word, "var(--jp-error-color1, #c62828)", "✗"),
    JobStatus.PRUNED: Look(JobStatus.PRUNED.word, FAINT, "✂"),
}

LOST = Look("ended with the kernel", FAINT, "■")
"""What had not ended when its kernel did."""
WARNED = Look("", "var(--jp-warn-color1, #b7791f)", "⚠")
"""What has completed, but not all of it is there."""


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
        f'background:{TRACK}"><div style="width:{percent:.1f}%;height:100%;'
        f'background:{colour}{faint}"></div></div>'
    )


def folded(title: str, text: str) -> str:
    """Preformatted text, given as HTML, behind a title that opens it."""
    return (
        f'<details style="margin:2px 0;font-family:{FONT};color:{TEXT};line-height:1.5">'
        f'<summary style="cursor:pointer;color:{FAINT};font-size:0.9em">{title}</summary>'
        f'<pre style="font-size:0.85em;line-height:1.35;overflow-x:auto;margin:4px 0;'
        f'font-family:{CODE_FONT};color:{TEXT};background:none">{text}</pre></details>'
    )
