"""Jobs in threads and processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from multiprocessing import forkserver
from typing import Any

from caikit_nb.backends.base import Running, Task, TaskListener
from caikit_nb.execution.call import RESULT, FormattedError, SealedCall, seal
from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.destroyable_thread import DestroyableThread, ThreadDestroyedException
from caikit_nb.execution.exception_pickler import show_as
from caikit_nb.execution.fork_rule import JOB_THREAD
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Died, Outcome, PlainValues, Raised, Returned, Usage
from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.execution.standard_processes import held_sigint
from caikit_nb.execution.thread_streams import routed
from caikit_nb.execution.transfer import open_memory_file
from caikit_nb.execution.watcher import watcher


class LocalBackend:
    """Runs tasks on this machine (contracts B7)."""

    backend_type = "LOCAL"

    def submit(self, task: Task, listener: TaskListener) -> Running:
        """Take a task. It runs once it is released.

        Raises:
            UnpicklableError: an input can't cross to a fresh interpreter.
        """
        if task.start_method == "thread":
            return _RunningThread(task, listener)
        if task.start_method == "fork":
            return _RunningFork(task, listener)
        return _RunningFresh(task, listener)


class _RunningProcess:
    """What tasks in processes share."""

    def __init__(self, task: Task, listener: TaskListener) -> None:
        self._task, self._listener = task, listener
        self._process: Any = None

    def _make(self, call: Any, inputs: int | None, gated: bool) -> Any:
        return DestroyableProcess(
            self._task.start_method,
            completion_event=threading.Event(),
            name=f"caikit_nb-{self._task.name}",
            daemon=True,
            call=call,
            inputs=inputs,
            capture=True,
            gated=gated,
            listener=self._listener,
            surroundings=self._task.surroundings,
        )

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def interrupt(self) -> None:
        if self._process is not None:
            self._process.interrupt()

    def end(self, *, at_once: bool = False) -> None:
        if self._process is not None and at_once:
            self._process.kill_soon()
        elif self._process is not None:
            self._process.end(self._task.grace)


class _RunningFork(_RunningProcess):
    """Forked when it is submitted, so that it has the namespace of that moment."""

    def __init__(self, task: Task, listener: TaskListener) -> None:
        super().__init__(task, listener)
        self._process = self._make(task.call, None, gated=True)
        self._process.start()
        self._released = False

    def release(self) -> None:
        self._released = True
        self._process.open_gate()

    def end(self, *, at_once: bool = False) -> None:
        super().end(at_once=at_once or not self._released)


class _RunningFresh(_RunningProcess):
    """Its inputs are pickled when it is submitted, its interpreter starts when it is released."""

    def __init__(self, task: Task, listener: TaskListener) -> None:
        super().__init__(task, listener)
        self._inputs: int | None = open_memory_file()
        self._lock = threading.Lock()
        self._ended = False
        try:
            self.sealed: SealedCall = seal(task.call, self._inputs)
        except BaseException:
            os.close(self._inputs)
            raise

    def release(self) -> None:
        _launcher.put(self._launch)

    def _launch(self) -> None:
        with self._lock:
            inputs, self._inputs = self._inputs, None
        if inputs is None:
            return  # it was ended before
        process = self._make(self.sealed, inputs, gated=False)
        try:
            process.start()  # not under the lock: it can take a while, and `end` must not wait
        except Exception as error:  # noqa: BLE001 - the job must hear of it, whatever it is
            failure = Raised(error, Usage())
            watcher.call_soon(lambda: self._listener.on_end(failure))
            return
        with self._lock:
            self._process, ended = process, self._ended
        if ended:
            super().end(at_once=True)

    def end(self, *, at_once: bool = False) -> None:
        with self._lock:
            self._ended = True
            inputs, self._inputs = self._inputs, None
        if inputs is not None:
            os.close(inputs)
            watcher.call_soon(lambda: self._listener.on_end(Died(None, True, Usage())))
        else:
            super().end(at_once=at_once)  # nothing yet if it is just starting: see `_launch`


# Starting an interpreter takes a while, and neither the kernel nor the watcher may wait for it.
_launcher = SerialThread("caikit_nb launcher")


def warm_up(modules: list[str]) -> None:
    """Start the fork server in the background, with `modules` imported."""
    multiprocessing.set_forkserver_preload(modules)

    def start() -> None:
        with held_sigint():
            forkserver.ensure_running()

    _launcher.put(start)


class _JobThread(DestroyableThread):
    def run(self) -> None:
        # Cancelled as it started: `_RunningThread` tells of it, the thread need not.
        with contextlib.suppress(ThreadDestroyedException):
            super().run()


class _RunningThread:
    """A task in a thread of this process."""

    pid = None

    def __init__(self, task: Task, listener: TaskListener) -> None:
        self._task, self._listener = task, listener
        self._outcome: Outcome = Died(None, True, Usage())
        self._lock = threading.Lock()
        # The end is told where no exception can be raised inside the thread any more.
        self._thread = _JobThread(self._run, work_done_event=self)
        self._thread.name = f"{JOB_THREAD}{task.name}"

    def release(self) -> None:
        with self._lock:
            if not self._thread.destroyed:
                self._thread.start()

    def interrupt(self) -> None:
        self._thread.raise_inside(KeyboardInterrupt)

    def end(self, *, at_once: bool = False) -> None:
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
        watcher.call_soon(lambda: self._listener.on_end(self._outcome))

    def send(self, message: Message) -> None:
        watcher.call_soon(lambda: self._listener.on_message(message))

    def _write(self, stream: str, text: str) -> None:
        data = text.encode("utf-8", "backslashreplace")
        watcher.call_soon(lambda: self._listener.on_output(stream, data))
