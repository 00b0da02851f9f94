"""Futures whose work the tests of `LocalJobBase` give them."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from caikit_nb.jobs.local_job_base import LocalJobBase
from tests.fifo import Fifo

METHODS = ("thread", "fork", "forkserver", "spawn")


class Yikes(RuntimeError):
    """An error of the user's own."""


class Calls(LocalJobBase.LocalJobFuture):
    """Calls its first argument."""

    def run(self, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)


class Saves(LocalJobBase.LocalJobFuture):
    """Saves a file, as a model would."""

    def run(self, text: str) -> str:
        assert self.save_path is not None
        os.makedirs(self.save_path, exist_ok=True)
        Path(self.save_path, "model.txt").write_text(text)
        return text


class Describes(LocalJobBase.LocalJobFuture):
    """Tells what it is, and what its subclass gave it."""

    def __init__(self, *args: Any, given: Any = None, **kwargs: Any) -> None:
        self.given, self.lock, self.me = given, threading.Lock(), self
        super().__init__(*args, **kwargs)

    def run(self) -> tuple[Any, ...]:
        return self.id, self.name, self.save_path, self.module_class, self.given, os.getpid()


def make(kind: Any, *args: Any, method: str = "thread", **more: Any) -> Any:
    """A future made by its seed's constructor; `more` are that constructor's."""
    given = {
        "future_name": "default",
        "module_class": dict,
        "save_path": None,
        "save_with_id": False,
        "future_id": None,
        "args": args,
        "kwargs": {},
        "use_subprocess": method != "thread",
        "subprocess_start_method": "fork" if method == "thread" else method,
    }
    return kind(**{**given, **more})


def raise_yikes() -> None:
    raise Yikes("learning rate too high")


def print_and_return() -> str:
    print("spoken")
    return "value"


class Gate:
    """Holds a job until the test lets it go; may be opened before anybody waits, unlike a Fifo."""

    def __init__(self, path: Path) -> None:
        self._fifo, self._is_open = Fifo(path), False

    def work(self, method: str) -> tuple[Any, ...]:
        """What to call, with its arguments, in a job of that method."""
        return (self._spin,) if method == "thread" else (hold, self._fifo)

    def open(self) -> None:
        """Let a job in a thread go."""
        self._is_open = True

    def _spin(self) -> None:
        # Not an Event: an exception raised inside its wait may leave its lock held.
        while not self._is_open:
            time.sleep(0.001)


def hold(held: Fifo) -> str:
    return held.hear()
