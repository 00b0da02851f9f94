"""A listener that keeps what it hears, for tests to wait for and look at."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable
from typing import Any

from caikit_nb.execution.call import RESULT
from caikit_nb.execution.exception_pickler import PackedError, unpack
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Outcome, Raised, Returned
from caikit_nb.execution.watcher import watcher

WAIT_S = 60.0  # far beyond what anything takes on a busy machine


class Heard:
    """What was heard of a task.

    Attributes:
        messages: All messages, in order.
        outcomes: All ends; there must be one.
        calls_in_watcher: Whether each call came in the watcher's thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._output: dict[str, bytes] = {}
        self.messages: list[Message] = []
        self.outcomes: list[Outcome] = []
        self.calls_in_watcher: list[bool] = []

    def on_output(self, stream: str, data: bytes) -> None:
        """Keep it."""
        self._note(lambda: self._output.update({stream: self._output.get(stream, b"") + data}))

    def on_message(self, message: Message) -> None:
        """Keep it."""
        self._note(lambda: self.messages.append(message))

    def on_end(self, outcome: Outcome) -> None:
        """Keep it."""
        self._note(lambda: self.outcomes.append(outcome))

    def _note(self, keep: Callable[[], object]) -> None:
        with self._changed:
            self.calls_in_watcher.append(watcher.runs_here())
            keep()
            self._changed.notify_all()

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until what was heard makes the condition true.

        Raises:
            AssertionError: it does not within `WAIT_S`.
        """
        with self._changed:
            if not self._changed.wait_for(condition, WAIT_S):
                raise AssertionError(f"heard only {self.messages} and {self.outcomes}")

    def until_here(self) -> None:
        """Wait until the task says that it runs."""
        self.until(lambda: "here" in self.kinds())

    def outcome(self) -> Outcome:
        """The end; waits for it."""
        self.until(lambda: self.outcomes)
        return self.outcomes[0]

    def value(self, name: str = RESULT) -> Any:
        """What the task returned; waits for that."""
        outcome = self.outcome()
        if not isinstance(outcome, Returned):
            raise AssertionError(f"it did not return: {outcome}")
        return outcome.values.load(name)

    def error(self) -> tuple[BaseException, str]:
        """What the task raised, and the traceback's text; waits for that."""
        outcome = self.outcome()
        if not isinstance(outcome, Raised):
            raise AssertionError(f"it did not raise: {outcome}")
        if isinstance(outcome.error, PackedError):
            return unpack(outcome.error), outcome.error.traceback
        return outcome.error, "".join(traceback.format_exception(outcome.error))

    def text(self, stream: str = "stdout") -> str:
        """What the task wrote so far."""
        return self._output.get(stream, b"").decode()

    def kinds(self) -> list[object]:
        """The kinds of the messages so far."""
        return [message.get("kind") for message in self.messages]


def open_files() -> int:
    """How many descriptors this process has."""
    return len(os.listdir("/dev/fd"))
