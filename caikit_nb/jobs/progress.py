"""What a job has reported of its progress: bars and metric series."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from caikit_nb.execution.messages import Message

MAX_BARS = 8
MAX_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One progress bar as it was last reported.

    Attributes:
        desc: The words before it.
        n: Units done.
        total: Units to do; None if unknown.
        elapsed_s: Seconds since it began.
        rate: Units a second, if known.
        unit: A unit's name.
        postfix: The words after it.
        position: How deep it is nested, from 0.
        closed: Whether it is over.
        reported_at: When that was, on the monotonic clock.
        is_printed: Whether it was read out of the text, and not told by its library.
    """

    desc: str
    n: float
    total: float | None
    elapsed_s: float
    rate: float | None
    unit: str
    postfix: str
    position: int
    closed: bool
    reported_at: float = 0.0
    is_printed: bool = False

    @property
    def fraction(self) -> float | None:
        """The part that is done, 0 to 1; None if the total is unknown."""
        return min(1.0, max(0.0, self.n / self.total)) if self.total else None

    @property
    def remaining_s(self) -> float | None:
        """Estimated seconds to go; None if that can't be told."""
        if self.total is None or self.closed or not self.n:
            return None
        # Time goes on while nothing is reported.
        elapsed_s = self.elapsed_s + (time.monotonic() - self.reported_at)
        return max(0.0, (self.total - self.n) * elapsed_s / self.n)


class Bars:
    """The bars of a job: those that are open, and the outermost of those that are over."""

    __slots__ = ("_bars",)

    def __init__(self) -> None:
        self._bars: dict[int, Bar] = {}

    def take(self, message: Message) -> None:
        """Take a ``bars`` message."""
        for state in message["bars"]:
            bar = _bar(state)
            if bar.closed and (bar.position > 0 or not state["leave"]):
                self._bars.pop(state["id"], None)
            else:
                self._bars[state["id"]] = bar
        over = [key for key, bar in self._bars.items() if bar.closed]
        for key in over[: max(0, len(self._bars) - MAX_BARS)]:
            del self._bars[key]

    def latest(self) -> list[Bar]:
        """The bars to show, outermost first, at most `MAX_BARS`."""
        # What is told and what is printed come by two ways, and on a busy machine either may be
        # the faster one: so it is not the time of arrival that orders them.
        bars = sorted(self._bars.values(), key=lambda bar: (bar.position, bar.is_printed))
        return bars[:MAX_BARS]

    @property
    def main(self) -> Bar | None:
        """The bar that says how far the job is: the outermost open one, else the last."""
        bars = self.latest()
        return next((bar for bar in bars if not bar.closed), bars[-1] if bars else None)


def _bar(state: Mapping[str, Any]) -> Bar:
    return Bar(
        desc=str(state["desc"]),
        n=state["n"],
        total=state["total"],
        elapsed_s=state["elapsed_s"],
        rate=state["rate"],
        unit=str(state["unit"]),
        postfix=str(state["postfix"]),
        position=state["position"],
        closed=bool(state["closed"]),
        reported_at=time.monotonic(),
        is_printed=bool(state.get("is_printed")),
    )


class Metrics(Mapping[str, list[tuple[float, float]]]):
    """A job's metric series: lists of ``(step, value)`` by name.

    A series of more than 20,000 points keeps the smallest and largest of every few.

    Attributes:
        count: How many points have come in all.
    """

    __slots__ = ("_series", "count")

    def __init__(self) -> None:
        self._series: dict[str, list[tuple[float, float]]] = {}
        self.count = 0

    def take(self, message: Message) -> None:
        """Take a ``metrics`` message."""
        for name, step, value in message["points"]:
            points = self._series.setdefault(name, [])
            points.append((step, value))
            self.count += 1
            if len(points) > MAX_POINTS:
                points[:] = _halved(points)

    def __getitem__(self, name: str) -> list[tuple[float, float]]:
        return self._series[name]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._series))

    def __len__(self) -> int:
        return len(self._series)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {len(points)} points" for name, points in self.items())
        return f"<Metrics {sizes or 'none'}>"

    def to_pandas(self) -> Any:
        """A DataFrame with the columns ``metric``, ``step`` and ``value``."""
        import pandas as pd

        rows = [(name, *point) for name, points in self.items() for point in points]
        return pd.DataFrame(rows, columns=["metric", "step", "value"])


def _halved(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for at in range(0, len(points), 4):
        part = points[at : at + 4]
        finite = [point for point in part if not math.isnan(point[1])] or part
        ends = {min(finite, key=lambda p: p[1]), max(finite, key=lambda p: p[1])}
        kept += sorted(ends, key=part.index)
    return kept
