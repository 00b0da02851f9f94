"""What bounds a call: time and, for its output, bytes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grace:
    """How a process is ended: SIGINT at once, SIGTERM and SIGKILL after so many seconds."""

    terminate_after_s: float = 1.0
    kill_after_s: float = 2.0
