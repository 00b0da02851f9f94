"""Whether somebody is there."""

from __future__ import annotations

import os
from typing import Any


def is_unattended(shell: Any) -> bool:
    """Whether the running cell has nobody who sees it, as in nbclient, nbconvert or papermill.

    Who executes a notebook so says that nobody can be asked for input. Voila does, too, and then
    shows the page.
    """
    if getattr(shell, "kernel", None) is None:
        return False
    if os.environ.get("SERVER_SOFTWARE", "").startswith("voila/"):
        return False
    return shell.get_parent().get("content", {}).get("allow_stdin") is False
