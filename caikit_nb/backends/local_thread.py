"""A task in a thread of this process."""

from __future__ import annotations

import contextlib
import os
import threading

from caikit_nb.backends.base import Task, TaskListener
from caikit_nb.execution.call import RESULT, FormattedError
from caikit_nb.execution.destroyable_thread import DestroyableThread, ThreadDestroyedException
from caikit_nb.execution.exception_pickler import show_as
from caikit_nb.execution.fork_rule import JOB_THREAD
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Died, Outcome, PlainValues, Raised, Returned, Usage
from caikit_nb.execution.thread_streams import close_routes, open_routes, routed
from caikit_nb.execution.watcher import watcher


class JobThread(DestroyableThread):
    """The thread of a task."""

    def run(self) -> None:
        """Run the task."""
        # Cancelled as it started: `RunningThread` tells of it, the thread need not.
        with contextlib.suppress(ThreadDestroyedException):
            super().run()


class RunningThread:
    """A task in a thread of this process (see `Running`)."""

    pid = None

    def __init__(self, task: Task, listener: TaskListener) -> None:
        self._task, self._listener = task, listener
        self._outcome: Outcome = Died(None, True, Usage())
        self._lock = threading.Lock()
        self._is_routed = False
        # The end is told where no exception can be raised inside the thread any more.
        self._thread: JobThread = JobThread(self._run, work_done_event=self)
        self._thread.name = f"{JOB_THREAD}{task.name}"

    def release(self) -> None:
        """Start the thread."""
        with self._lock:
            if not self._thread.destroyed:
                self._open_routes()
                self._thread.start()

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in the thread."""
        self._thread.raise_inside(KeyboardInterrupt)

    def end(self, *, at_once: bool = False) -> None:
        """Raise ThreadDestroyedException in the thread."""
        with self._lock:
            never_started = self._thread.ident is None and not self._thread.destroyed
            self._thread.destroy()
        if never_started:
            self.set()

    def _run(self) -> None:
        self.send({"kind": "hello", "pid": os.getpid()})
        try:
            with routed(self._write):
                values = self._task.call.runner(self._task.call, self)
            self._outcome = Returned(PlainValues(dict(values)), Usage())
        except ThreadDestroyedException:
            return
        except FormattedError as formatted:
            show_as(formatted.error, formatted.rendered)
            self._outcome = Raised(formatted.error, Usage())
        except SystemExit as leave:
            clean = leave.code in (None, 0)
            nothing = Returned(PlainValues({RESULT: None}), Usage())
            self._outcome = nothing if clean else Raised(leave, Usage())
        except BaseException as error:  # noqa: BLE001 - whatever was raised is the outcome
            self._outcome = Raised(error, Usage())

    def set(self) -> None:
        """The thread has ended, or will never start."""
        self._close_routes()
        watcher.call_soon(lambda: self._listener.on_end(self._outcome))

    def _open_routes(self) -> None:
        open_routes()
        self._is_routed = True

    def _close_routes(self) -> None:
        if self._is_routed:
            self._is_routed = False
            close_routes()

    def send(self, message: Message) -> None:
        """Tell the listener, in the watcher's thread."""
        watcher.call_soon(lambda: self._listener.on_message(message))

    def _write(self, stream: str, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        watcher.call_soon(lambda: self._listener.on_output(stream, data))
