"""The one thread that reads every pipe and sees every exit.

It is a small event loop: readers by file descriptor, timers, and calls handed in from other
threads. What it calls must be quick and must not run user code. While a process is being forked
(`Watcher.paused`) it stands still, so that no lock of ours is held in the copy.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from caikit_nb.errors import ForkRefusedError
from caikit_nb.execution.forks import NewInFork
from caikit_nb.execution.interrupts import held
from caikit_nb.execution.reports import Reports

logger = Reports(__name__)

Callback = Callable[[], object]

_FEW_TIMERS = 256
_LONGEST_STEP_S = 30.0
_LONGEST_WAIT_S = 3600.0  # the system's own limit is a few weeks, and a retention may be longer


class Timer:
    """A call planned for a time; `cancel` takes it back."""

    __slots__ = ("callback", "when")

    def __init__(self, when: float, callback: Callback) -> None:
        self.when = when
        self.callback: Callback | None = callback

    def cancel(self) -> None:
        """Drop the call, and what it holds on to."""
        self.callback = None


class Stillness(NewInFork):
    """Lets one thread make the others stand between two steps of work."""

    def _reset(self) -> None:
        # It is taken itself, and not by the condition's Python code: see `Latch`.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._working = 0
        self._wanted: set[object] = set()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """A step of work in a background thread; waits while somebody wants stillness."""
        self._know_fork()
        with self._lock:
            while self._wanted:
                self._changed.wait()
            self._working += 1
        try:
            yield
        finally:
            with self._lock:
                self._working -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def wanted(self) -> Iterator[None]:
        """Inside, every thread that works in steps stands still, and no interrupt comes."""
        self._know_fork()
        wish = object()
        with held():  # a wish that stayed would stop all threads
            try:
                with self._lock:
                    self._wanted.add(wish)
                    if not self._changed.wait_for(lambda: not self._working, _LONGEST_STEP_S):
                        raise ForkRefusedError("a thread of caikit_nb doesn't come to rest")
                yield
            finally:
                with self._lock:
                    self._wanted.discard(wish)
                    self._changed.notify_all()


stillness = Stillness()


class Watcher(NewInFork):
    """The loop. Its thread starts with the first use and is a daemon."""

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._calls: deque[Callback] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._many_timers = _FEW_TIMERS
        self._order = itertools.count()
        self._resting: dict[int, Callback] = {}

    def call_soon(self, callback: Callback) -> None:
        """Run `callback` in the watcher's thread. Thread-safe."""
        self._know_fork()
        self._calls.append(callback)
        self._ensure_thread()
        if not self.runs_here():
            self._wake()

    def runs_here(self) -> bool:
        """Whether this is the watcher's thread."""
        return threading.current_thread() is self._thread

    def call_at(self, when: float, callback: Callback) -> Timer:
        """Run `callback` at ``time.monotonic() == when``. Thread-safe."""
        timer = Timer(when, callback)
        self.call_soon(lambda: self._add_timer(timer))
        return timer

    def _add_timer(self, timer: Timer) -> None:
        heapq.heappush(self._timers, (timer.when, next(self._order), timer))
        if len(self._timers) > self._many_timers:
            # Those taken back would stay until their time, which may be days away.
            self._timers = [entry for entry in self._timers if entry[2].callback is not None]
            heapq.heapify(self._timers)
            self._many_timers = max(_FEW_TIMERS, 2 * len(self._timers))

    def call_later(self, delay_s: float, callback: Callback) -> Timer:
        """Run `callback` in `delay_s` seconds. Thread-safe."""
        return self.call_at(time.monotonic() + delay_s, callback)

    def add_reader(self, fd: int, callback: Callback) -> None:
        """Run `callback` whenever `fd` is readable. Only from the watcher's thread."""
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def remove_reader(self, fd: int) -> None:
        """Stop watching `fd`. Only from the watcher's thread."""
        if self._resting.pop(fd, None) is None:
            self._selector.unregister(fd)

    def rest_reader(self, fd: int, delay_s: float) -> None:
        """Look at `fd` again only in `delay_s` seconds. Only from the watcher's thread.

        A pipe that is written line by line would otherwise wake us for every line.
        """
        callback = self._selector.unregister(fd).data
        self._resting[fd] = callback
        self.call_later(delay_s, lambda: self._wake_reader(fd, callback))

    def _wake_reader(self, fd: int, callback: Callback) -> None:
        if self._resting.get(fd) is callback:
            del self._resting[fd]
            self.add_reader(fd, callback)

    def _ensure_thread(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._selector = selectors.DefaultSelector()
            self._wake_r, self._wake_w = os.pipe()
            os.set_blocking(self._wake_r, False)
            os.set_blocking(self._wake_w, False)
            self._selector.register(self._wake_r, selectors.EVENT_READ, self._drain_wakes)
            self._thread = threading.Thread(target=self._run, name="caikit_nb watcher", daemon=True)
            self._thread.start()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake_w, b"\0")

    def _drain_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_r, 4096)

    def _run(self) -> None:
        while True:
            ready = self._selector.select(self._timeout_s())
            with stillness.working():
                self._run_once(ready)

    def _timeout_s(self) -> float | None:
        if self._calls:
            return 0.0
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return None
        return min(_LONGEST_WAIT_S, max(0.0, self._timers[0][0] - time.monotonic()))

    def _run_once(self, ready: list[tuple[selectors.SelectorKey, Any]]) -> None:
        for key, _ in ready:
            # An earlier callback of this round may have closed it.
            if self._selector.get_map().get(key.fd) is key:
                guarded(key.data)
        for _ in range(len(self._calls)):
            guarded(self._calls.popleft())
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.callback is not None:
                guarded(timer.callback)


def guarded(callback: Callback) -> None:
    """Call it; what it raises is logged."""
    try:
        callback()
    except Exception:
        # One job's trouble must not stop the reader of all the others.
        logger.exception("a callback of the watcher failed")


watcher = Watcher()
