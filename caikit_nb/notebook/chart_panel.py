"""The pieces of a chart: lines, the legend that names them, and the plot that shows them."""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from caikit_nb.notebook.chart_axis import Axis, compact, log_axis, value_axis
from caikit_nb.notebook.chart_hover import Place, Shown, strips
from caikit_nb.notebook.chart_series import Point, Series, finite_values, thin

# Chosen to differ for the colour-blind too, with a contrast of at least 3 on white and on #111.
_COLOURS = (
    *("#2896f5", "#c8800d", "#b740b1", "#178a5a"),
    *("#e15e8e", "#17a750", "#9a87bc", "#906606"),
)
_DASHES = ("", "5 3", "1.5 3", "8 3 1.5 3")  # the second four series have the second, and so on
TEXT_COLOUR = "var(--jp-ui-font-color1, currentColor)"
"""JupyterLab's, or else that of the page around the chart."""

# Pixels, with text of 11 px.
_PLOT_HEIGHT = 126
_TICKS_HEIGHT = 20
_RIGHT_MARGIN = 10
_LEGEND_LINE = 17
_CHARACTER = 6.1  # the mean width of one
_MAX_POINTS = 400  # of a series: each costs a few microseconds at every drawing
_NAME_LIMIT = 26  # characters


@dataclass(frozen=True, slots=True)
class Line:
    """A series with its looks.

    Attributes:
        name: The series' name.
        points: Its points, without those that have no finite step; of very many, some.
        count: How many there are.
        steps: The least and the greatest step; None without any.
        colour: As in CSS.
        dash: As in SVG's ``stroke-dasharray``; "" for a solid line.
    """

    name: str
    points: list[Point]
    count: int
    steps: tuple[float, float] | None
    colour: str
    dash: str

    @classmethod
    def of(cls, index: int, name: str, points: Series, *, log_scale: bool = False) -> Line:
        """The line of the chart's series number `index`."""
        if log_scale:  # what has no logarithm breaks the line
            points = [(step, value if value > 0 else math.nan) for step, value in points]
        colour = _COLOURS[index % len(_COLOURS)]
        dash = _DASHES[index // 4 % len(_DASHES)]
        kept = [point for point in points if math.isfinite(point[0])]
        steps = [step for step, _ in kept]
        ends = (min(steps), max(steps)) if steps else None
        return cls(str(name), thin(kept, _MAX_POINTS), len(kept), ends, colour, dash)

    @property
    def last(self) -> str:
        """The last value, in short."""
        return compact(self.points[-1][1]) if self.points else "–"

    def stroke(self, width: float) -> str:
        """The SVG attributes that draw it."""
        dash = f' stroke-dasharray="{self.dash}"' if self.dash else ""
        return f'fill="none" stroke="{self.colour}" stroke-width="{width}"{dash}'


@dataclass(frozen=True, slots=True)
class Legend:
    """Names and last values above a panel, in rows.

    Attributes:
        lines: What it names.
        places: For each line where its entry begins, in pixels, and in which row.
    """

    lines: list[Line]
    places: list[tuple[float, int]]

    @classmethod
    def of(cls, lines: list[Line], width: float) -> Legend:
        """The legend of a panel that is `width` pixels wide."""
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
    def height(self) -> int:
        """Its height in pixels, with the space below it."""
        return (self.places[-1][1] + 1) * _LEGEND_LINE + 11

    def svg(self) -> str:
        """The SVG elements, from the panel's upper left corner."""
        return "".join(
            f'<g transform="translate({coordinate(x)} {row * _LEGEND_LINE + 12})">'
            f"<title>{html.escape(_details(line))}</title>"
            f'<path d="M0-4h18" {line.stroke(2.5)}/>'
            f'<text x="24">{html.escape(_shortened(line.name))} '
            f'<tspan font-weight="600">{line.last}</tspan></text></g>'
            for line, (x, row) in zip(self.lines, self.places, strict=True)
        )


class Panel:
    """One plot: grid, tick labels and lines.

    Args:
        lines: What it shows.
        x_axis: The steps.
        width: Pixels.
        top: Where the plot begins below the legend, in pixels.
        log_scale: Whether its axis of values is logarithmic; then all values are positive.
    """

    def __init__(
        self, lines: list[Line], x_axis: Axis, width: float, top: int, *, log_scale: bool
    ) -> None:
        values = [value for line in lines for value in finite_values(line.points)]
        self._lines = lines
        self._x_axis = x_axis
        make_axis = log_axis if log_scale else value_axis
        self._y_axis = make_axis(
            min(values, default=0.1 if log_scale else 0), max(values, default=1)
        )
        self._left = 8 + max(_text_width(label) for label in self._y_axis.labels)
        self._right = width - _RIGHT_MARGIN
        self._top = top

    @property
    def height(self) -> int:
        """Pixels from the legend's top to below the tick labels."""
        return self._top + _PLOT_HEIGHT + _TICKS_HEIGHT

    def svg(self) -> str:
        """The SVG elements, from the panel's upper left corner."""
        limit = min(_MAX_POINTS, max(5, int(2 * (self._right - self._left))))
        thinned = [(line, thin(line.points, limit)) for line in self._lines]
        drawn = "".join(self._line(line, points) for line, points in thinned)
        place = Place(self._left, self._right, self._top, _PLOT_HEIGHT, self._x, self._y)
        shown = [Shown(line.name, line.colour, points) for line, points in thinned]
        return f"{self._grid()}{drawn}{strips(shown, place)}"

    def _x(self, step: float) -> float:
        return self._left + self._x_axis.fraction(step) * (self._right - self._left)

    def _y(self, value: float) -> float:
        return self._top + (1 - self._y_axis.fraction(value)) * _PLOT_HEIGHT

    def _grid(self) -> str:
        bottom = self._top + _PLOT_HEIGHT
        rules = "".join(
            f"M{coordinate(self._left)} {coordinate(self._y(tick))}H{coordinate(self._right)}"
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
            f'<path d="{rules}" style="stroke:{TEXT_COLOUR}" stroke-opacity="0.13" '
            'shape-rendering="crispEdges"/>'
            f'<g fill-opacity="0.7" font-size="10">{"".join(values)}{"".join(steps)}</g>'
        )

    def _line(self, line: Line, points: Series) -> str:
        stretches = list(_stretches(points))
        path = "".join(self._path(stretch) for stretch in stretches if len(stretch) > 1)
        dots = [self._dot(line, stretch[0], 2) for stretch in stretches[:-1] if len(stretch) == 1]
        dots += [self._dot(line, stretch[-1], 2.75) for stretch in stretches[-1:]]
        width = 1.75 if len(points) <= 150 else 1.25
        return (
            f"<g><title>{html.escape(_details(line))}</title>"
            f'<path d="{path}" {line.stroke(width)} stroke-linejoin="round" '
            f'stroke-linecap="round"/>{"".join(dots)}</g>'
        )

    def _path(self, points: Series) -> str:
        return "M" + "L".join(
            f"{coordinate(self._x(step))} {coordinate(self._y(value))}" for step, value in points
        )

    def _dot(self, line: Line, point: Point, radius: float) -> str:
        x, y = coordinate(self._x(point[0])), coordinate(self._y(point[1]))
        return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{line.colour}"/>'


def coordinate(value: float) -> str:
    """Pixels as text, to a tenth."""
    return f"{round(value, 1) + 0.0:g}"


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


def _details(line: Line) -> str:
    values = finite_values(line.points)
    if not values:
        return line.name
    low, high = compact(min(values)), compact(max(values))
    return f"{line.name}: last {line.last}, lowest {low}, highest {high}, {line.count} points"


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_LIMIT else name[: _NAME_LIMIT - 1] + "…"


def _text_width(text: str) -> float:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return _CHARACTER * (len(text) + 0.8 * wide)


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{coordinate(x)}" y="{coordinate(y)}" text-anchor="{anchor}">{text}</text>'
