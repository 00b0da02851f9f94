"""What a chart shows under the pointer: without any script, by CSS, and as a title without it."""

from __future__ import annotations

import html
import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from caikit_nb.notebook.chart_axis import compact
from caikit_nb.notebook.chart_series import Point

MAX_STRIPS = 40
_LEAST_STRIPS, _MOST_LABELS = 12, 48  # each is a part of every saved card
_LEAST_WIDTH = 12
STYLE = (
    "<style>.caikit-strip>g{visibility:hidden}.caikit-strip:hover>g{visibility:visible}"
    ".caikit-strip text{paint-order:stroke;stroke:var(--jp-layout-color1,Canvas);stroke-width:4px;"
    "stroke-linejoin:round}</style>"
)
_LINE_HEIGHT = 13


@dataclass(frozen=True, slots=True)
class Shown:
    """A line that can be pointed at.

    Attributes:
        name: Its name.
        colour: As in CSS.
        points: Those that are drawn.
    """

    name: str
    colour: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the plot is, in pixels.

    Attributes:
        left: Its left edge.
        right: Its right edge.
        top: Its upper edge.
        height: From there to the lower edge.
        x: From a step to pixels.
        y: From a value to pixels.
    """

    left: float
    right: float
    top: float
    height: float
    x: Callable[[float], float]
    y: Callable[[float], float]


def strips(lines: Sequence[Shown], place: Place) -> str:
    """Upright strips over a plot; each tells of the step at its middle."""
    ordered = [sorted(line.points) for line in lines]
    steps = sorted({step for points in ordered for step, _ in points})
    steps = _chosen(steps, _most_strips(len(lines), place.right - place.left))
    if not steps:
        return ""
    middles = [(place.x(a) + place.x(b)) / 2 for a, b in pairwise(steps)]
    edges = [place.left, *middles, place.right]
    return "".join(
        _strip(step, edges[at], edges[at + 1], lines, ordered, place)
        for at, step in enumerate(steps)
    )


def _most_strips(lines: int, width: float) -> int:
    """So many that a strip is wide enough to be met, and that they don't tell too much."""
    labels = max(_LEAST_STRIPS, _MOST_LABELS // max(1, lines))
    return max(1, min(MAX_STRIPS, labels, int(width / _LEAST_WIDTH)))


def _chosen(steps: list[float], most: int) -> list[float]:
    """At most so many, evenly; the last one among them."""
    every = math.ceil(len(steps) / most)
    return steps[::-1][:: max(1, every)][::-1]


def _strip(
    step: float,
    left: float,
    right: float,
    lines: Sequence[Shown],
    ordered: Sequence[Sequence[Point]],
    place: Place,
) -> str:
    x = place.x(step)
    values = [(line, _nearest(points, step)) for line, points in zip(lines, ordered, strict=True)]
    told = [(line, point[1]) for line, point in values if point is not None]
    title = "\n".join(
        [f"step {compact(step)}", *(f"{line.name} {compact(value)}" for line, value in told)]
    )
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{place.y(value):.1f}" r="3" fill="{line.colour}"/>'
        for line, value in told
        if math.isfinite(value)
    )
    return (
        f'<g class="caikit-strip"><title>{html.escape(title)}</title>'
        f'<rect x="{left:.1f}" y="{place.top:g}" width="{max(0.1, right - left):.1f}" '
        f'height="{place.height:g}" fill-opacity="0"/>'
        f'<g pointer-events="none" visibility="hidden"><path d="M{x:.1f} {place.top:g}v'
        f'{place.height:g}" style="stroke:currentColor" stroke-opacity="0.35"/>{dots}'
        f"{_label(step, x, told, place)}</g></g>"
    )


def _label(step: float, x: float, told: Sequence[tuple[Shown, float]], place: Place) -> str:
    is_left = x < (place.left + place.right) / 2
    at = f"{x + 8 if is_left else x - 8:.1f}"
    rows = "".join(
        f'<tspan x="{at}" dy="{_LINE_HEIGHT}" fill="{line.colour}">'
        f"{html.escape(line.name[:26])} {compact(value)}</tspan>"
        for line, value in told[:8]
    )
    return (
        f'<text x="{at}" y="{place.top + 11:g}" text-anchor="{"start" if is_left else "end"}">'
        f"step {compact(step)}{rows}</text>"
    )


def _nearest(points: Sequence[Point], step: float) -> Point | None:
    """The point whose step is nearest to `step`; None of a series that has none."""
    at = bisect_left(points, (step, -math.inf))
    near = points[max(0, at - 1) : at + 1]
    return min(near, key=lambda point: abs(point[0] - step), default=None)
