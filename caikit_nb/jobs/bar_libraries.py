"""The libraries whose bars a job shows on its card."""

from __future__ import annotations

from caikit_nb.jobs import rich_bars, tqdm_bars


def install() -> None:
    """Teach them, once they are imported. Idempotent."""
    tqdm_bars.install()
    rich_bars.install()
