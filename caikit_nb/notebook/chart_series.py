"""Series of points: thinned for drawing, and sorted into panels of like scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]
"""A step and the value at it."""

Series = Sequence[Point]
"""Points in the order in which they came. A value that isn't finite breaks the line."""

MAX_PANELS = 3
_SCALE_RATIO = 25.0  # a series shall fill at least this part of its panel
_TREND_POINTS = 8  # with fewer points, the height that a series needs isn't known yet


def thin(points: Series, limit: int = 1000) -> list[Point]:
    """Leave out points where they lie dense, so that the line looks the same.

    The first and last point stay, and of each of many equal parts of the series the lowest and
    the highest value and, if there are any, one value that isn't finite.

    Args:
        points: The series.
        limit: The most points returned; at least 5.

    Raises:
        ValueError: `limit` is less than 5.
    """
    if limit < 5:
        raise ValueError(f"limit must be at least 5, not {limit}")
    if len(points) <= limit:
        return list(points)
    values = [value for _, value in points]
    is_broken = not all(map(math.isfinite, values))
    parts = (limit - 2) // (3 if is_broken else 2)
    bounds = [1 + (len(points) - 2) * part // parts for part in range(parts + 1)]
    extremes = _broken_extremes if is_broken else _extremes
    kept = [index for start, end in pairwise(bounds) for index in extremes(values, start, end)]
    return [points[index] for index in [0, *kept, len(points) - 1]]


def panels(series: Mapping[str, Series]) -> list[list[str]]:
    """Sort series into at most `MAX_PANELS` groups, each of which can share a scale.

    Returns:
        The names by panel, both in the order of `series`.
    """
    scales = {name: _Scale.of(points) for name, points in series.items()}
    ratio = _SCALE_RATIO
    while len(groups := _groups(scales, ratio)) > MAX_PANELS:
        ratio = ratio * 4 if ratio < 1e300 else math.inf
    return groups


def _groups(scales: Mapping[str, _Scale], ratio: float) -> list[list[str]]:
    """Each series in the first group of which all would still be seen to vary on one scale."""
    groups: list[tuple[list[str], _Scale]] = []
    for name, scale in scales.items():
        for at, (names, shared) in enumerate(groups):
            joined = shared.joined(scale)
            if joined.low > joined.high or joined.high - joined.low <= ratio * joined.need:
                groups[at] = ([*names, name], joined)
                break
        else:
            groups.append(([name], scale))
    return [names for names, _ in groups]


def finite_values(points: Iterable[Point]) -> list[float]:
    """The values that can be drawn."""
    return [value for step, value in points if math.isfinite(step) and math.isfinite(value)]


def _extremes(values: Sequence[float], start: int, end: int) -> list[int]:
    """The indices, ascending, of a part's lowest and highest value."""
    part = values[start:end]
    return sorted({start + part.index(min(part)), start + part.index(max(part))})


def _broken_extremes(values: Sequence[float], start: int, end: int) -> list[int]:
    """The same of those that are finite, and the first that isn't."""
    finite = [i for i in range(start, end) if math.isfinite(values[i])]
    broken = [i for i in range(start, end) if not math.isfinite(values[i])]
    chosen = set(broken[:1])
    if finite:
        chosen.add(min(finite, key=lambda i: values[i]))
        chosen.add(max(finite, key=lambda i: values[i]))
    return sorted(chosen)


@dataclass(frozen=True, slots=True)
class _Scale:
    """What series need of an axis.

    Attributes:
        low: The least value; more than `high` if there are no values.
        high: The greatest value.
        need: The least height that one of them needs to be seen to vary; infinite if none does.
    """

    low: float = math.inf
    high: float = -math.inf
    need: float = math.inf

    @classmethod
    def of(cls, points: Series) -> _Scale:
        """That of one series."""
        values = finite_values(points)
        if not values:
            return cls()
        low, high = min(values), max(values)
        has_trend = high > low and len(values) >= _TREND_POINTS
        return cls(low, high, (high - low if has_trend else max(abs(high), abs(low))) or math.inf)

    def joined(self, other: _Scale) -> _Scale:
        """That of both."""
        return _Scale(
            min(self.low, other.low), max(self.high, other.high), min(self.need, other.need)
        )
