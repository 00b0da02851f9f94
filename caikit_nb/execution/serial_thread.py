"""A daemon thread that does what it is handed, one thing after another."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable

from caikit_nb.execution.forks import NewInFork
from caikit_nb.execution.reports import Reports
from caikit_nb.execution.watcher import stillness

logger = Reports(__name__)


class SerialThread(NewInFork):
    """Starts with the first piece of work; a forked child has a fresh one.

    Args:
        name: The thread's name.
        stands_still: Stand between two pieces of work while the kernel forks. Not for work of
            the user's, which may take any time.
    """

    def __init__(self, name: str, *, stands_still: bool = True) -> None:
        self._name, self._stands_still = name, stands_still
        super().__init__()

    def _reset(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def is_current(self) -> bool:
        """Whether this very thread is the one that asks."""
        return threading.current_thread() is self._thread

    def put(self, work: Callable[[], object]) -> None:
        """Have `work` done; what it raises is logged."""
        self._know_fork()
        self._work.put(work)
        if self._thread is None:
            try:
                self.start()
            except RuntimeError:  # at the end of a process Python 3.12 starts no more threads
                self._do_all()

    def finish(self, timeout_s: float) -> None:
        """Wait until all is done that was put until now, but at most for so long."""
        done = threading.Event()
        self.put(done.set)
        done.wait(timeout_s)

    def start(self) -> None:
        """Have the thread run. From then on `put` takes no lock, and may be called anywhere.

        Raises:
            RuntimeError: it can't be started.
        """
        self._know_fork()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                try:
                    self._thread.start()
                except RuntimeError:
                    self._thread = None
                    raise

    def _run(self) -> None:
        while True:
            work = self._work.get()
            if self._stands_still:
                with stillness.working():
                    self._do(work)
            else:
                told = vars(threading.current_thread())  # to `fork_rule`
                told.update(user_code_since=time.monotonic(), runs_user_code=True)
                self._do(work)
                told.update(runs_user_code=False)
            del work

    def _do_all(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._do(self._work.get_nowait())

    def _do(self, work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException:
            logger.exception("%s: a piece of work failed", self._name)
