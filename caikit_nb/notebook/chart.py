"""Line charts of a job's metrics: as SVG for the card, as block characters for a terminal.

The SVG takes its text colours from JupyterLab or else from the page around it, and its line
colours are legible on light and on dark, so it looks the same in a saved page.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from caikit_nb.notebook.chart_axis import (
    Axis,
    bounded,
    compact,
    step_axis,
    value_axis,
    widened,
)
from caikit_nb.notebook.chart_series import Point, Series, finite_values, panels, thin

__all__ = ["line_chart", "text_chart"]

# Chosen to differ for the colour-blind too, with a contrast of at least 3 on white and on #111.
_COLOURS = (
    *("#2896f5", "#c8800d", "#b740b1", "#178a5a"),
    *("#e15e8e", "#17a750", "#9a87bc", "#906606"),
)
_DASHES = ("", "5 3", "1.5 3", "8 3 1.5 3")  # the second four series have the second, and so on
_TEXT = "var(--jp-ui-font-color1, currentColor)"
_FONT = "var(--jp-ui-font-family, system-ui, -apple-system, sans-serif)"

_WIDTHS = (520, 620, 620)  # by the number of panels
_PLOT_HEIGHT = 126
_GAP = 18
_RIGHT = 10
_LEGEND_LINE = 17
_TICKS_HEIGHT = 20
_CHARACTER = 6.1  # the mean width of one at 11 px
_NAME_LIMIT = 26
_BLOCKS = "▁▂▃▄▅▆▇█"


def line_chart(series: Mapping[str, Series]) -> str:
    """Draw series as one inline SVG; those of very different scales get panels of their own.

    Args:
        series: Points ``(step, value)`` by name. A value that isn't finite breaks the line; a
            point whose step isn't finite is left out.

    Returns:
        The SVG element, as wide as its surroundings up to about 600 px; "" without any series.
    """
    if not series:
        return ""
    lines = {name: _Line.of(i, name, points) for i, (name, points) in enumerate(series.items())}
    groups = [[lines[name] for name in group] for group in panels(series)]
    width = _WIDTHS[len(groups) - 1]
    panel_width = (width - _GAP * (len(groups) - 1)) / len(groups)
    steps = [step for line in lines.values() for step, _ in line.points]
    is_whole = all(float(step).is_integer() for step in steps)
    x_axis = step_axis(
        min(steps, default=0),
        max(steps, default=1),
        max(3, int(panel_width / 70)),
        is_whole=is_whole,
    )
    legends = [_Legend.of(group, panel_width) for group in groups]
    top = max(legend.rows for legend in legends) * _LEGEND_LINE + 11
    height = top + _PLOT_HEIGHT + _TICKS_HEIGHT
    body = "".join(
        f'<g transform="translate({_number(i * (panel_width + _GAP))} 0)">'
        f"{legend.svg()}{_Panel(legend.lines, x_axis, panel_width, top).svg()}</g>"
        for i, legend in enumerate(legends)
    )
    label = html.escape(_description(list(lines.values())), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{label}" style="display:block;width:100%;max-width:{width}px;height:auto;'
        f'font:11px {_FONT};font-variant-numeric:tabular-nums;fill:{_TEXT}">{body}</svg>'
    )


def text_chart(values: Sequence[float], width: int = 40) -> str:
    """Draw values as one line of block characters; a gap where a value isn't finite.

    Args:
        values: The values, in order. Of more than `width`, neighbours are averaged.
        width: The most characters.

    Raises:
        ValueError: `width` is less than 1.
    """
    if width < 1:
        raise ValueError(f"width must be at least 1, not {width}")
    count = min(width, len(values))
    bounds = [len(values) * i // count for i in range(count + 1)] if count else [0]
    means = [_mean(values[a:b]) for a, b in pairwise(bounds)]
    finite = [mean for mean in means if math.isfinite(mean)]
    if not finite:
        return " " * count
    axis = Axis(*widened(bounded(min(finite)), bounded(max(finite))), (), ())
    return "".join(_block(mean, axis) for mean in means)


@dataclass(frozen=True, slots=True)
class _Line:
    """A series with its looks."""

    name: str
    points: list[Point]
    colour: str
    dash: str

    @classmethod
    def of(cls, index: int, name: str, points: Series) -> _Line:
        colour = _COLOURS[index % len(_COLOURS)]
        dash = _DASHES[index // 4 % len(_DASHES)]
        kept = [(step, value) for step, value in points if math.isfinite(step)]
        return cls(str(name), kept, colour, dash)

    @property
    def last(self) -> str:
        return compact(self.points[-1][1]) if self.points else "–"

    def stroke(self, width: float) -> str:
        dash = f' stroke-dasharray="{self.dash}"' if self.dash else ""
        return f'fill="none" stroke="{self.colour}" stroke-width="{width}"{dash}'


@dataclass(frozen=True, slots=True)
class _Legend:
    """Names and last values above a panel, in rows."""

    lines: list[_Line]
    places: list[tuple[float, int]]

    @classmethod
    def of(cls, lines: list[_Line], width: float) -> _Legend:
        places: list[tuple[float, int]] = []
        x, row = 0.0, 0
        for line in lines:
            needed = 24 + _text_width(f"{_shortened(line.name)} {line.last}")
            if x and x + needed > width:
                x, row = 0.0, row + 1
            places.append((x, row))
            x += needed + 14
        return cls(lines, places)

    @property
    def rows(self) -> int:
        return self.places[-1][1] + 1

    def svg(self) -> str:
        return "".join(
            f'<g transform="translate({_number(x)} {row * _LEGEND_LINE + 12})">'
            f"<title>{html.escape(_details(line))}</title>"
            f'<path d="M0-4h18" {line.stroke(2.5)}/>'
            f'<text x="24">{html.escape(_shortened(line.name))} '
            f'<tspan font-weight="600">{line.last}</tspan></text></g>'
            for line, (x, row) in zip(self.lines, self.places, strict=True)
        )


class _Panel:
    """One plot: grid, tick labels and lines."""

    def __init__(self, lines: list[_Line], x_axis: Axis, width: float, top: float) -> None:
        values = [value for line in lines for value in finite_values(line.points)]
        self._lines = lines
        self._x_axis = x_axis
        self._y_axis = value_axis(min(values, default=0), max(values, default=1))
        self._left = 8 + max(_text_width(label) for label in self._y_axis.labels)
        self._right = width - _RIGHT
        self._top = top

    def svg(self) -> str:
        limit = max(5, int(2 * (self._right - self._left)))
        drawn = [self._line(line, thin(line.points, limit)) for line in self._lines]
        return f"{self._grid()}{''.join(drawn)}"

    def _x(self, step: float) -> float:
        return self._left + self._x_axis.fraction(step) * (self._right - self._left)

    def _y(self, value: float) -> float:
        return self._top + (1 - self._y_axis.fraction(value)) * _PLOT_HEIGHT

    def _grid(self) -> str:
        bottom = self._top + _PLOT_HEIGHT
        rules = "".join(
            f"M{_number(self._left)} {_number(self._y(tick))}H{_number(self._right)}"
            for tick in self._y_axis.ticks
        )
        values = [
            _text(self._left - 6, self._y(tick) + 3.5, "end", label)
            for tick, label in zip(self._y_axis.ticks, self._y_axis.labels, strict=True)
        ]
        steps = [
            _text(self._x(tick), bottom + 15, "middle", label)
            for tick, label in zip(self._x_axis.ticks, self._x_axis.labels, strict=True)
        ]
        return (
            f'<path d="{rules}" style="stroke:{_TEXT}" stroke-opacity="0.13" '
            'shape-rendering="crispEdges"/>'
            f'<g fill-opacity="0.7" font-size="10">{"".join(values)}{"".join(steps)}</g>'
        )

    def _line(self, line: _Line, points: Series) -> str:
        stretches = list(_stretches(points))
        path = "".join(
            "M"
            + "L".join(
                f"{_number(self._x(step))} {_number(self._y(value))}" for step, value in part
            )
            for part in stretches
            if len(part) > 1
        )
        width = 1.75 if len(points) <= 150 else 1.25
        dots = [(part[0], 2.0) for part in stretches[:-1] if len(part) == 1]
        dots += [(part[-1], 2.75) for part in stretches[-1:]]
        circles = "".join(
            f'<circle cx="{_number(self._x(step))}" cy="{_number(self._y(value))}" r="{radius}" '
            f'fill="{line.colour}"/>'
            for (step, value), radius in dots
        )
        return (
            f"<g><title>{html.escape(_details(line))}</title>"
            f'<path d="{path}" {line.stroke(width)} stroke-linejoin="round" '
            f'stroke-linecap="round"/>{circles}</g>'
        )


def _stretches(points: Series) -> Iterator[list[Point]]:
    """The runs of points between values that can't be drawn."""
    run: list[Point] = []
    for step, value in points:
        if math.isfinite(value):
            run.append((step, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _description(lines: list[_Line]) -> str:
    last = "; ".join(
        f"{line.name} {line.last} at step {compact(line.points[-1][0])}"
        if line.points
        else f"{line.name} no values"
        for line in lines
    )
    return f"line chart, last values: {last}"


def _details(line: _Line) -> str:
    values = finite_values(line.points)
    if not values:
        return line.name
    low, high = compact(min(values)), compact(max(values))
    return f"{line.name}: last {line.last}, lowest {low}, highest {high}, {len(line.points)} points"


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_LIMIT else name[: _NAME_LIMIT - 1] + "…"


def _text_width(text: str) -> float:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return _CHARACTER * (len(text) + 0.8 * wide)


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{_number(x)}" y="{_number(y)}" text-anchor="{anchor}">{text}</text>'


def _number(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{round(value, 1) + 0.0:g}"


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(value / len(finite) for value in finite) if finite else math.nan


def _block(value: float, axis: Axis) -> str:
    if not math.isfinite(value):
        return " "
    height = int(axis.fraction(value) * len(_BLOCKS) + 1e-9)
    return _BLOCKS[min(len(_BLOCKS) - 1, height)]
