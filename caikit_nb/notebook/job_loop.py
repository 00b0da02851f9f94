"""The event loop of a job's cells."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class JobLoop:
    """Runs a cell's coroutine as `asyncio.run` does, but for tasks that the cell leaves behind.

    These go on as they do in a notebook: `finish` waits for them at the end of the job.

    Attributes:
        loop: The loop.
        was_interrupted: Whether the coroutine that ran last was cancelled by an interrupt.
    """

    def __init__(self) -> None:
        # Debug messages of its making are of no cell.
        logger = logging.getLogger("asyncio")
        is_disabled, logger.disabled = logger.disabled, True
        try:
            self.loop = asyncio.new_event_loop()
        finally:
            logger.disabled = is_disabled
        self.was_interrupted = False

    def __call__(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it to its end. An interrupt cancels what it awaits, so that its handlers run."""
        self.was_interrupted = False
        task = self.loop.create_task(coroutine)
        with self._interrupts_cancel(task):
            try:
                return self.loop.run_until_complete(task)
            except KeyboardInterrupt:
                if task.done():
                    raise
                # It was raised in the code of another task, or is not the first.
                self.was_interrupted = True
                task.cancel()
                return self.loop.run_until_complete(task)

    def cancel(self) -> None:
        """Cancel all tasks that are left."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()

    def finish(self) -> None:
        """Wait for all tasks that are left, and for those that they make."""
        while tasks := asyncio.all_tasks(self.loop):
            self.loop.run_until_complete(asyncio.wait(tasks))

    @contextlib.contextmanager
    def _interrupts_cancel(self, task: asyncio.Task[Any]) -> Iterator[None]:
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield  # the user's own
            return

        def interrupt(_number: int, _frame: FrameType | None) -> None:
            if self.was_interrupted or asyncio.current_task(self.loop) is not None:
                raise KeyboardInterrupt  # code is running
            self.was_interrupted = True
            self.loop.call_soon_threadsafe(task.cancel)

        signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGINT) is interrupt:
                signal.signal(signal.SIGINT, signal.default_int_handler)
