"""Jobs in the very thread that submits them, for debugging: the caller waits until they end."""

from __future__ import annotations

import bdb
import contextlib
import sys
import threading
from collections.abc import Mapping
from typing import Any

from caikit_nb.backends.backend_types import register_backend_type
from caikit_nb.backends.base import BackendBase, Running, Task, TaskListener
from caikit_nb.backends.local_thread import JobThread, RunningThread
from caikit_nb.execution import interrupts, lost_exceptions
from caikit_nb.execution.thread_streams import real_stream
from caikit_nb.execution.watcher import watcher


class InlineBackend(BackendBase):
    """Runs a task in the thread that releases it, and blocks that thread until it has ended.

    A task that waited in the queue is released by the end of another and gets a thread of its
    own: only a caller's thread can be blocked, and user code must not run in the watcher's.
    """

    backend_type = "INLINE"
    start_methods = ("thread",)
    lacks = frozenset({"background"})
    summary = "in the kernel itself, which waits for it"

    def register_config(self, config: Mapping[str, Any]) -> None:
        """Keep the settings; it uses none."""
        self.config.update(config)

    def start(self) -> None:
        """Say that it is started."""
        self._started = True

    def stop(self) -> None:
        """Say that it is stopped."""
        self._started = False

    def submit(self, task: Task, listener: TaskListener, like: Running | None = None) -> Running:
        """Take a task (see `BackendBase.submit`)."""
        return _RunningInline(task, listener, like if isinstance(like, _RunningInline) else None)


class _CallersThread(JobThread):
    """A job's thread that is none of its own: what it runs, it runs in its caller's."""

    _callers_ident: int | None = None

    @property
    def ident(self) -> int | None:
        """The thread that exceptions are raised in."""
        return self._callers_ident

    def enter(self) -> None:
        """From here on it is this thread."""
        self._callers_ident = threading.get_ident()
        lost_exceptions.watch()


class _Turn:
    """Who waits for an attempt's end, and the attempt that was released by it."""

    def __init__(self) -> None:
        self.is_over = False
        self.next: _RunningInline | None = None


class _RunningInline(RunningThread):
    """A task in the thread that releases it (see `Running`)."""

    def __init__(self, task: Task, listener: TaskListener, like: _RunningInline | None) -> None:
        super().__init__(task, listener)
        self._turn: _Turn = _Turn() if like is None else like._turn
        self._heard = threading.Event()

    def release(self) -> None:
        """Run it here; returns when the listener has heard of its end."""
        if not watcher.runs_here():
            running: _RunningInline | None = self
            while running is not None:
                running = running._run_here()
        elif self._turn.is_over:
            self._turn.next = self  # a retry: whoever waited for the attempt before it runs it
        else:
            super().release()

    def _run_here(self) -> _RunningInline | None:
        """Run it, and give the attempt that comes after it, if one does."""
        thread = _CallersThread(self._run, work_done_event=self)
        with self._lock:
            if self._thread.destroyed or self._thread.ident is not None:
                return None
            thread.enter()
            self._open_routes()
            self._thread = thread
        # An interrupt of the kernel may also come just before or after the task's own code.
        with contextlib.suppress(KeyboardInterrupt), interrupts.allowed():
            thread.run()
        self.set()
        while not self._heard.is_set():
            with contextlib.suppress(KeyboardInterrupt):
                self._heard.wait()
        following, self._turn.next = self._turn.next, None
        return following

    def _write(self, stream: str, text: str) -> None:
        super()._write(stream, text)
        debugger = getattr(sys.gettrace(), "__self__", None)
        if isinstance(debugger, bdb.Bdb):
            # Whoever is at a prompt must see the answers; the job's card is drawn later.
            real_stream(stream).write(text)

    def set(self) -> None:
        """The task has ended, or will never start."""
        self._close_routes()
        watcher.call_soon(self._tell)

    def _tell(self) -> None:
        if self._heard.is_set():
            return
        self._turn.is_over = isinstance(self._thread, _CallersThread)
        try:
            self._listener.on_end(self._outcome)
        finally:
            self._turn.is_over = False
            self._heard.set()


register_backend_type(InlineBackend)
