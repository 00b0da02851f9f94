"""A thread that can be destroyed (contracts P18 to P23)."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable
from typing import Any

from caikit_nb.execution import lost_exceptions
from caikit_nb.execution.destroyable import Destroyable


class ThreadDestroyedException(RuntimeError):
    """Raised inside the function of a thread that is destroyed (contracts P20)."""

    def __init__(self, text: str = "the thread was destroyed") -> None:
        super().__init__(text)


class DestroyableThread(threading.Thread, Destroyable):
    """Runs a function in a thread of this process.

    Args:
        runnable_func: What to call.
        *args: Its positional arguments.
        work_done_event: Set when it has returned or raised.
        **kwargs: Its keyword arguments.
    """

    runs_user_code = True  # so that nobody forks meanwhile (`fork_rule`)

    def __init__(
        self,
        runnable_func: Callable[..., Any],
        *args: Any,
        work_done_event: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(daemon=True)
        self._call: tuple[Any, ...] | None = (runnable_func, args, kwargs)
        self._work_done_event = work_done_event
        self._destroyed = self._canceled = self._ran = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._running = self._has_left = False
        self.raised_inside: type[BaseException] | None = None  # the last
        self._state_lock = threading.Lock()

    def start(self) -> None:
        """Start to run."""
        lost_exceptions.watch()
        try:
            super().start()
        except RuntimeError:  # it was started before, or there can't be more threads
            lost_exceptions.unwatch()
            raise

    def run(self) -> None:
        """Run the function (contracts P19, P22)."""
        assert self._call is not None  # noqa: S101
        function, args, kwargs = self._call
        self._call = None
        try:
            entered = self._enter()
            if entered:
                self._result = function(*args, **kwargs)
                self._leave()
        except BaseException as error:  # noqa: BLE001 - whatever was raised is the outcome
            entered, self._error = True, error
            while not self._has_left:
                with contextlib.suppress(BaseException):
                    self._leave()
        self._ran = entered
        self._tell()
        if not entered:
            raise ThreadDestroyedException

    def _enter(self) -> bool:
        with self._state_lock:
            self._running = not self._destroyed
            return self._running

    def _leave(self) -> None:
        """From here on nothing is raised inside any more; what has not arrived never will."""
        with self._state_lock:
            self._running = False
        self._has_left = self.raised_inside is None
        while not self._has_left:
            # An exception that is only taken back leaves a flag in Python 3.11 that slows down
            # all of its threads. One that takes the other's place and arrives leaves none.
            try:
                _raise_in(self.ident, lost_exceptions.Displacing)
                for _ in range(100):
                    pass
            except lost_exceptions.Displacing:
                self._has_left = True

    def _tell(self) -> None:
        # Kept no longer: it may hold us, and a circle would end in any thread, also in the midst
        # of another one's work.
        lost_exceptions.unwatch()
        self.runs_user_code = False  # who hears of the end may fork
        event, self._work_done_event = self._work_done_event, None
        if event is not None:
            event.set()

    @property
    def ran(self) -> bool:
        """Whether the function has ended (contracts P23)."""
        return self._ran

    @property
    def error(self) -> Exception | None:
        """The function's exception; None also for one that is no ``Exception`` (contracts P23)."""
        return self._error if isinstance(self._error, Exception) else None

    @property
    def threw(self) -> bool:
        """Whether `get_or_throw` raises: also for a SystemExit, which is no `error`."""
        return self._error is not None

    def get_or_throw(self) -> Any:
        """The result; raises the same exception object that the function raised."""
        if self._error is not None:
            raise self._error
        return self._result

    def destroy(self) -> None:
        """Raise `ThreadDestroyedException` in the function; returns at once (contracts P20)."""
        self._canceled = self._canceled or not self._ran
        self._destroyed = True
        self.raise_inside(ThreadDestroyedException)

    def raise_inside(self, kind: type[BaseException]) -> bool:
        """Raise `kind` in the running function at its next step of Python code.

        Python drops an exception that reaches a finalizer which happens to run there. Such a one
        is raised again.
        """
        with self._state_lock:
            if not self._running or self.ident is None:
                return False
            self.raised_inside = kind
            return _raise_in(self.ident, kind)


def _raise_in(ident: int | None, kind: type[BaseException]) -> bool:
    raised = ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(ident or 0), ctypes.py_object(kind)
    )
    return bool(raised == 1)
