"""What a user does is heard also while the kernel runs a cell."""

from __future__ import annotations

from typing import Any


def heard_at_once(widget: Any) -> Any:
    """Have what is done to a widget handled at once, if the kernel can; returns the widget."""
    hear_where_sent(widget.comm)
    return widget


def hear_where_sent(comm: Any) -> None:
    """Have a comm's messages handled in the subshell that the front end sends them to.

    JupyterLab sends them to one that is free while a cell runs. ipykernel 7.4 passes them on to
    the shell that last spoke on the comm, which may be the cell's. Elsewhere this has no effect:
    without subshells they are handled after the cell.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = _as_sent


def _as_sent(_: object, subshell: Any) -> Any:
    return subshell
