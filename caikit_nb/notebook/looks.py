"""Colours, fonts and signs of what we show: JupyterLab's own where they are found.

Outside of JupyterLab, in a saved page for instance, the fallbacks read well on white.
"""

from __future__ import annotations

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
    JobStatus.QUEUED: Look("queued", "var(--jp-warn-color1, #b7791f)", "◔"),
    JobStatus.RUNNING: Look("running", "var(--jp-brand-color1, #1976d2)", "●"),
    JobStatus.COMPLETED: Look("completed", "var(--jp-success-color1, #2e7d32)", "✓"),
    JobStatus.CANCELED: Look("canceled", FAINT, "⊘"),
    JobStatus.ERRORED: Look("failed", "var(--jp-error-color1, #c62828)", "✗"),
    JobStatus.PRUNED: Look("pruned", FAINT, "✂"),
}
