"""Jobs in threads and processes of this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import resource
import threading
from collections.abc import Callable, Mapping
from typing import Any

from caikit_nb.backends.backend_types import register_backend_type
from caikit_nb.backends.base import BackendBase, Running, Task, TaskListener
from caikit_nb.backends.local_thread import RunningThread
from caikit_nb.execution.call import Call, SealedCall, seal
from caikit_nb.execution.destroyable_process import DestroyableProcess
from caikit_nb.execution.inheritance import Inheritance
from caikit_nb.execution.messages import Message
from caikit_nb.execution.outcome import Died, Outcome, Raised, Usage
from caikit_nb.execution.process_reader import Silent
from caikit_nb.execution.serial_thread import SerialThread
from caikit_nb.execution.standard_processes import ensure_fork_server
from caikit_nb.execution.transfer import open_memory_file
from caikit_nb.execution.watcher import watcher


class LocalBackend(BackendBase):
    """Runs tasks on this machine (contracts B7)."""

    backend_type = "LOCAL"
    start_methods = ("fork", "forkserver", "spawn", "thread")
    summary = "on this machine"

    def register_config(self, config: Mapping[str, Any]) -> None:
        """It has no settings.

        Raises:
            AssertionError: always (contracts B7).
        """
        raise AssertionError(f"{type(self).__name__} does not support this operation")

    def start(self) -> None:
        """Say that it is started (contracts B7)."""
        self._started = True
        _raise_limit_of_descriptors()

    def stop(self) -> None:
        """Say that it is stopped (contracts B7)."""
        self._started = False

    def submit(self, task: Task, listener: TaskListener, like: Running | None = None) -> Running:
        """Take a task. It runs once it is released.

        Args:
            task: What to run.
            listener: Hears of it.
            like: The same task as submitted just before and not yet released: what was shipped
                for it serves this one, too.

        Raises:
            UnpicklableError: an input can't cross to a fresh interpreter.
        """
        if task.start_method == "thread":
            return RunningThread(task, listener)
        if task.start_method == "fork":
            return _RunningFork(task, listener)
        return _RunningFresh(task, listener, like if isinstance(like, _RunningFresh) else None)


def _make_process(task: Task, call: Call | SealedCall, listener: TaskListener, **more: Any) -> Any:
    return DestroyableProcess(
        task.start_method,
        completion_event=threading.Event(),
        name=f"caikit_nb-{task.name}",
        daemon=True,
        call=call,
        capture=True,
        listener=listener,
        surroundings=task.surroundings,
        **more,
    )


class _RunningFork:
    """Forked when it is submitted, so that it has the namespace of that moment.

    If the copy hangs before its first word (some lock was held by a thread that a fork doesn't
    copy), it is ended, and the task goes on in a fresh interpreter where it can.
    """

    def __init__(self, task: Task, listener: TaskListener) -> None:
        self._grace = task.grace
        self._listener: TaskListener = listener
        self._make_fresh = task.fresh
        self._lock = threading.Lock()
        self._released = self._ended = False
        self._fresh: _RunningFresh | None = None
        self._process: Any = _make_process(task, task.call, self, gated=True)
        self._process.start()

    @property
    def pid(self) -> int | None:
        process = self._fresh or self._process
        return None if process is None else process.pid

    def release(self) -> None:
        with self._lock:
            if self._ended:  # with an open gate it could begin before the signal reaches it
                return
            self._released = True
            process, fresh = self._process, self._fresh
        if fresh is not None:
            fresh.release()
        elif process is not None:
            self._open_gate(process)

    def _open_gate(self, process: Any) -> None:
        try:
            process.open_gate()
        except OSError as error:  # it has been ended, for a reason that is better than that
            failure, listener = Raised(error, Usage()), self._listener
            self._listener = Silent()
            watcher.call_soon(lambda: listener.on_end(failure))

    def tell(self, message: Message) -> None:
        process = self._fresh or self._process
        if process is not None:
            process.tell(message)

    def interrupt(self) -> None:
        process = self._fresh or self._process
        if process is not None:
            process.interrupt()

    def end(self, *, at_once: bool = False) -> None:
        with self._lock:
            self._ended = True
            process, fresh = self._process, self._fresh
        if fresh is not None:
            fresh.end(at_once=at_once)
        elif process is not None and (at_once or not self._released):
            process.kill_soon()
        elif process is not None:
            process.end(self._grace)

    def on_output(self, stream: str, data: bytes) -> None:
        self._listener.on_output(stream, data)

    def on_message(self, message: Message) -> None:
        self._make_fresh = None  # it lives, and what the call needs is in the copy
        self._listener.on_message(message)

    def on_end(self, outcome: Outcome) -> None:
        make_fresh, self._make_fresh = self._make_fresh, None
        self._process = None  # it holds what it returned
        if make_fresh is None or self._ended or not (isinstance(outcome, Died) and outcome.silence):
            self._listener.on_end(outcome)
        else:
            silence = outcome
            _starts_anew.put(lambda: self._start_anew(make_fresh, silence))

    def _start_anew(self, make_fresh: Callable[[], Task], silence: Died) -> None:
        try:
            task = make_fresh()
            fresh = _RunningFresh(task, self._listener)
        except Exception as error:  # noqa: BLE001 - pickling runs the user's own code
            text = f"{silence.silence}; it can't be started anew in a fresh interpreter: {error}"
            failure = dataclasses.replace(silence, silence=text)
            watcher.call_soon(lambda: self._listener.on_end(failure))
            return
        moved = {"kind": "moved", "method": task.start_method, "shipped": fresh.sealed.sizes}
        watcher.call_soon(lambda: self._listener.on_message(moved))
        with self._lock:
            self._fresh, released, ended = fresh, self._released, self._ended
        if ended:
            fresh.end(at_once=True)
        elif released:
            fresh.release()


class _RunningFresh:
    """Its inputs are pickled when it is submitted, its interpreter starts when it is released."""

    def __init__(
        self, task: Task, listener: TaskListener, like: _RunningFresh | None = None
    ) -> None:
        self._listener, self._grace = listener, task.grace
        self._process: Any = None
        self._inputs: int | None = None
        self._lock = threading.Lock()
        self._ended = False
        self.sealed = self._seal(task.call) if like is None else self._share(task.call, like)
        # Without the values that have just been pickled.
        self._task = dataclasses.replace(task, call=Call(task.call.runner))

    def _seal(self, call: Call) -> SealedCall:
        self._inputs = open_memory_file()
        try:
            return seal(call, self._inputs, Inheritance())
        except BaseException:
            os.close(self._inputs)
            raise

    def _share(self, call: Call, like: _RunningFresh) -> SealedCall:
        with like._lock:
            if like._inputs is None:
                raise RuntimeError("what was shipped for it is gone: it was released already")
            self._inputs = os.dup(like._inputs)
        return like.sealed.with_options(call.options)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def release(self) -> None:
        _launcher.put(self._launch)

    def _launch(self) -> None:
        with self._lock:
            inputs, self._inputs = self._inputs, None
        if inputs is None:
            return  # it was ended before
        process = _make_process(self._task, self.sealed, self._listener, inputs=inputs)
        try:
            process.start()  # not under the lock: it can take a while, and `end` must not wait
        except Exception as error:  # noqa: BLE001 - the job must hear of it, whatever it is
            failure = Raised(error, Usage())
            watcher.call_soon(lambda: self._listener.on_end(failure))
            return
        with self._lock:
            self._process, ended = process, self._ended
        if ended:
            process.kill_soon()

    def tell(self, message: Message) -> None:
        if self._process is not None:
            self._process.tell(message)

    def interrupt(self) -> None:
        if self._process is not None:
            self._process.interrupt()

    def end(self, *, at_once: bool = False) -> None:
        with self._lock:
            self._ended = True
            inputs, self._inputs = self._inputs, None
            process = self._process
        if inputs is not None:
            os.close(inputs)
            self.sealed.close()
            watcher.call_soon(lambda: self._listener.on_end(Died(None, True, Usage())))
        elif process is None:
            pass  # it is just starting: see `_launch`
        elif at_once:
            process.kill_soon()
        else:
            process.end(self._grace)


register_backend_type(LocalBackend)

_DESCRIPTORS = 65_536


def _raise_limit_of_descriptors() -> None:
    """Each job that waits holds some, and the usual limit is a low one that one may raise."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


# Starting an interpreter takes a while, and neither the kernel nor the watcher may wait for it.
_launcher = SerialThread("caikit_nb launcher")
# Pickling runs the user's own code.
_starts_anew = SerialThread("caikit_nb new starts", stands_still=False)


def warm_up() -> None:
    """Start the fork server in the background."""
    _launcher.put(ensure_fork_server)
