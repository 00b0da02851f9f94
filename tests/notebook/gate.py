"""A place in a job where it waits for the test."""

import os
from pathlib import Path


class Gate:
    """A place in a job's code where it waits until the test opens it.

    Attributes:
        wait: An expression for the job: it waits there.
        opening: A statement for a cell: it lets one job pass.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.wait = f"open({str(path)!r}).read()"
        self.opening = f"open({str(path)!r}, 'w').close()"
        os.mkfifo(path)

    def open(self) -> None:
        """Let one job pass; returns once it is there."""
        with open(self._path, "w"):
            pass
