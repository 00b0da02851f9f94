"""Named pipes that hold a test and the processes it starts in step, and looks at processes."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path


class Fifo:
    """A word from one process to another, under every start method."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        os.mkfifo(self.path)

    def say(self, text: object = "go") -> None:
        """Give the word to whoever hears; waits until somebody does."""
        with open(self.path, "w") as file:
            file.write(str(text))

    def hear(self) -> str:
        """The word; waits for it."""
        with open(self.path) as file:
            return file.read()


def is_gone_within(pid: int, seconds: float = 10.0) -> bool:
    """Whether a process has exited (a zombie counts) before the time is over."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def spin_until(condition: object, seconds: float = 10.0) -> bool:
    """For what announces itself to nobody: ask again and again, giving way to others."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        os.sched_yield()
    return True
