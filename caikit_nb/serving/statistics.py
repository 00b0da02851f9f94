"""How a model is used: requests, how long they take, errors."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from threading import Lock

_KEPT = 1000
_WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests of one model, or of all.

    Attributes:
        requests: How many were answered.
        errors: How many of them with an error.
        per_second: How many a second, lately.
        latency_ms: The 50th, 95th and 99th percentile of the last ones; empty without any.
        last_error: The newest error's text; empty without one.
    """

    requests: int
    errors: int
    per_second: float
    latency_ms: tuple[float, ...]
    last_error: str


class Statistics:
    """Counts requests; in any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.requests = self.errors = 0
        self.last_error = ""
        self._times: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def add(self, began: float, ended: float, error: str = "") -> None:
        """A request was answered.

        Args:
            began: When it came, on the monotonic clock.
            ended: When it was answered.
            error: Why it failed; empty if it did not.
        """
        with self._lock:
            self.requests += 1
            self._times.append((ended, ended - began))
            if error:
                self.errors += 1
                self.last_error = error

    def usage(self, now: float | None = None) -> Usage:
        """How it stands."""
        now = time.monotonic() if now is None else now
        with self._lock:
            times, requests = list(self._times), self.requests
            errors, last_error = self.errors, self.last_error
        recent = [at for at, _ in times if at > now - _WINDOW_S]
        # So many came within less than the window if only the newest are kept.
        full = len(recent) == _KEPT
        span_s = max(now - recent[0], 0.001) if full else _WINDOW_S
        taken_ms = sorted(1000 * taken for _, taken in times)
        return Usage(
            requests,
            errors,
            len(recent) / span_s,
            tuple(_percentile(taken_ms, part) for part in (0.5, 0.95, 0.99)) if taken_ms else (),
            last_error,
        )


def _percentile(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
