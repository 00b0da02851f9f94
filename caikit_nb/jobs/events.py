"""One stream of events for everybody who shows or records jobs.

A listener hears that a job has changed, not what: it looks at the job. So events coalesce, and
each listener is called at its own pace, in one background thread, in which a slow or broken
listener can't hurt a job.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from caikit_nb.execution.forks import NewInFork
from caikit_nb.execution.reports import Reports
from caikit_nb.execution.watcher import stillness

logger = Reports(__name__)

_MANY = 256
Listener = Callable[[Any], None]


@dataclass(slots=True, eq=False)
class Subscription:
    """A listener and what it still has to hear.

    Attributes:
        listener: Called with a source that has changed; with None if `as_one`.
        min_interval_s: Its pace, which may be changed at any time.
        as_one: All sources are one to it.
    """

    listener: Listener
    min_interval_s: float
    as_one: bool = False
    changed: dict[Any, None] = field(default_factory=dict)
    heard_at: dict[Any, float] = field(default_factory=dict)
    active: bool = True

    def mark(self, source: Any) -> float:
        """It has to hear of `source`; returns from when on, infinity if it had to already."""
        key = None if self.as_one else source
        if key in self.changed:
            return math.inf
        self.changed[key] = None
        return self.due_at(key)

    def heard(self, source: Any, now: float) -> None:
        """Remember that it hears of `source` now, and forget what has no effect any more."""
        if len(self.heard_at) > _MANY:
            recent = now - self.min_interval_s
            self.heard_at = {s: at for s, at in self.heard_at.items() if at > recent}
        self.heard_at[source] = now

    def due_at(self, source: Any) -> float:
        """When the listener may hear of `source` again, on the monotonic clock."""
        return self.heard_at.get(source, 0.0) + self.min_interval_s


class Events(NewInFork):
    """The stream. `publish` is cheap and thread-safe. A forked child has no listeners."""

    def _reset(self) -> None:
        self._subscriptions: list[Subscription] = []
        # It is taken itself, and not by the condition's Python code: see `Latch`.
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._wakes_at = -math.inf  # it is awake

    def subscribe(
        self, listener: Listener, min_interval_s: float = 0.0, *, as_one: bool = False
    ) -> Subscription:
        """Call a listener when a source has changed.

        Args:
            listener: Called with the source.
            min_interval_s: It hears of each source at most once in so many seconds.
            as_one: It hears of all sources together at most once in that time, and is called
                with None.
        """
        self._know_fork()
        subscription = Subscription(listener, min_interval_s, as_one)
        with self._lock:
            self._subscriptions.append(subscription)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="caikit_nb updates", daemon=True
                )
                self._thread.start()
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop calling it."""
        self._know_fork()
        with self._lock:
            subscription.active = False
            with contextlib.suppress(ValueError):  # the parent's, in a forked child
                self._subscriptions.remove(subscription)

    def publish(self, source: Any) -> None:
        """Say that `source` (hashable) has changed."""
        self._know_fork()
        with self._lock:
            dues = [subscription.mark(source) for subscription in self._subscriptions]
            self._wake(min(dues, default=math.inf))

    def remind(self, subscription: Subscription, source: Any = None) -> None:
        """Call one listener with `source` in its time, though nothing changed."""
        self._know_fork()
        with self._lock:
            self._wake(subscription.mark(source))

    def _wake(self, due_at: float) -> None:
        """Wake the thread if it would sleep past that time.

        Jobs that print tell of a change thousands of times a second, and each waking takes the
        interpreter's lock from the user's cell.
        """
        if due_at < self._wakes_at:
            self._news.notify()

    def _run(self) -> None:
        while True:
            with self._lock:
                wait_s = self._next_wait_s()
                if wait_s is None or wait_s > 0:
                    self._wakes_at = math.inf if wait_s is None else time.monotonic() + wait_s
                    self._news.wait(wait_s)
                    self._wakes_at = -math.inf
                due = self._take_due()
            self._tell_all(due)
            del due  # while it waits it must not keep them

    def _tell_all(self, due: list[tuple[Subscription, Any]]) -> None:
        for subscription, source in due:
            with stillness.working():
                _tell(subscription, source)

    def _next_wait_s(self) -> float | None:
        due = [s.due_at(source) for s in self._subscriptions for source in s.changed]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _take_due(self) -> list[tuple[Subscription, Any]]:
        now = time.monotonic()
        due = []
        for subscription in self._subscriptions:
            for source in [s for s in subscription.changed if subscription.due_at(s) <= now]:
                del subscription.changed[source]
                subscription.heard(source, now)
                due.append((subscription, source))
        return due


def _tell(subscription: Subscription, source: Any) -> None:
    if not subscription.active:
        return
    try:
        subscription.listener(source)
    except Exception:
        logger.exception("a listener failed for %r", source)
