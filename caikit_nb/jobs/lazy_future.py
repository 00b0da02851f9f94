"""A standard future whose value and error are made when somebody asks for them."""

from __future__ import annotations

import concurrent.futures
from concurrent.futures._base import PENDING, RUNNING
from typing import Any

from caikit_nb.execution.lazy_condition import LazyCondition
from caikit_nb.execution.serial_thread import SerialThread

# The user's done-callbacks run here: the watcher must never run user code.
_callbacks = SerialThread("caikit_nb callbacks", stands_still=False)


class LazyFuture(concurrent.futures.Future[Any]):
    """A future that knows how it ended, and asks `_load_outcome` for with what."""

    def __init__(self) -> None:
        super().__init__()
        self._condition: Any = LazyCondition()

    def _load_outcome(self) -> tuple[Any, BaseException | None]:
        """The value and None, or None and the error; called in the asker's thread, each time."""
        raise NotImplementedError

    # The standard future keeps its outcome in these two. Its own methods read them, and so does
    # asyncio from Python 3.15 on: past `result` and `exception`. What is assigned is dropped.
    @property
    def _result(self) -> Any:
        return self._load_outcome()[0]

    @_result.setter
    def _result(self, _value: Any) -> None:
        pass

    @property
    def _exception(self) -> BaseException | None:
        return self._load_outcome()[1]

    @_exception.setter
    def _exception(self, _error: BaseException | None) -> None:
        pass

    def _wait_until_done(self, timeout: float | None) -> None:
        """Return once there is an outcome.

        Raises:
            TimeoutError: it is not done in that time.
            concurrent.futures.CancelledError: it was cancelled.
        """
        with self._condition:
            if not self.done():
                self._condition.wait(timeout)
            if self.cancelled():
                raise concurrent.futures.CancelledError
            if not self.done():
                raise TimeoutError

    def _mark_running(self) -> None:
        with self._condition:
            if self._state == PENDING:
                self.set_running_or_notify_cancel()

    def _mark_done(self, *, failed: bool) -> None:
        with self._condition:
            self._mark_running()
            # Which of the two it was is for those who wait for the first error.
            if failed:
                self.set_exception(RuntimeError())
            else:
                self.set_result(None)

    def _mark_canceled(self) -> None:
        with self._condition:
            if self._state == RUNNING:
                self._state = PENDING  # the standard future refuses to cancel what runs
            super().cancel()
            self.set_running_or_notify_cancel()

    def _invoke_callbacks(self) -> None:
        if self._done_callbacks:  # type: ignore[attr-defined]
            _callbacks.put(super()._invoke_callbacks)  # type: ignore[misc]
