"""Waiting for what happens in other processes and on other hosts."""

from __future__ import annotations

import time
from collections.abc import Callable

WAIT_S = 60.0
_ASK_AGAIN_S = 0.02  # asking without a pause would take the processor from those that are asked


def until(condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> None:
    """Ask until a condition holds; the test fails if it doesn't in time."""
    give_up = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up, f"waited {timeout_s} s for {what}"
        time.sleep(_ASK_AGAIN_S)
