"""What our own threads log, which can't raise.

A kernel's stderr opens a socket for each thread that writes, and raises if no descriptor is left;
handlers of the user's may raise at any time. The thread that reads all jobs must go on.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Any


class Reports(logging.LoggerAdapter[logging.Logger]):
    """A module's logger, for threads that must not end with a report that can't be made.

    Args:
        name: The module's.
    """

    def __init__(self, name: str) -> None:
        super().__init__(logging.getLogger(name), {})

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log as the logger does, named by the line that reports."""
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1
        with contextlib.suppress(Exception):
            super().log(level, msg, *args, **kwargs)
