"""Widgets that the kernel hears also while it runs a cell."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets


def heard_at_once(widget: widgets.Widget) -> Any:
    """Have what is done to a widget handled in the subshell that the front end sends it to.

    JupyterLab sends it to a subshell, which is free while a cell runs. ipykernel 7.4 passes it on
    to the shell that opened the widget's comm, which is the cell's. Elsewhere this has no effect:
    without subshells it is heard after the cell.
    """
    comm: Any = widget.comm
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = _as_sent
    return widget


def _as_sent(_: object, subshell: Any) -> Any:
    return subshell
