"""Waiting for what happens in other threads, in other processes and on other hosts.

What can be waited on is: a process by its descriptor (`is_gone_within`), a word in a named pipe
(`tests.fifo`), a message of a kernel (`tests.notebook.kernel`). All else has to be asked again and
again, with a pause between: who asks without one takes the processor from those who are asked.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator

WAIT_S = 180.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.05


def pauses() -> Iterator[float]:
    """How long to wait before each further question: little at first, as most wait for little."""
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)


def until(
    condition: Callable[[], object], what: str = "it to come true", timeout_s: float = WAIT_S
) -> None:
    """Ask until a condition holds; the test fails if it doesn't in time."""
    give_up = time.monotonic() + timeout_s
    for pause_s in pauses():
        if condition():
            return
        assert time.monotonic() < give_up, f"waited {timeout_s} s for {what}"
        time.sleep(pause_s)


def is_gone_within(pid: int, seconds: float = WAIT_S) -> bool:
    """Whether a process has exited (a zombie counts) before the time is over."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)
