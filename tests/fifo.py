"""Named pipes that hold a test and the processes it starts in step."""

from __future__ import annotations

import os
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
