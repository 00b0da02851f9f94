"""Line charts of a job's metrics: as SVG for the card, as block characters for a terminal.

The SVG takes its text colours from JupyterLab or else from the page around it, and its line
colours are legible on light and on dark, so it looks the same in a saved page.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from caikit_nb.notebook.chart_axis import Axis, bounded, compact, step_axis, widened
from caikit_nb.notebook.chart_hover import STYLE
from caikit_nb.notebook.chart_panel import TEXT_COLOUR, Legend, Line, Panel, coordinate
from caikit_nb.notebook.chart_series import Series, panels

__all__ = ["line_chart", "text_chart"]

_FONT = "var(--jp-ui-font-family, system-ui, -apple-system, sans-serif)"
_WIDTHS = (520, 620, 620)  # by the number of panels
_GAP = 18  # between panels
_BLOCKS = "▁▂▃▄▅▆▇█"


def line_chart(series: Mapping[str, Series], *, log_scale: bool = False) -> str:
    """Draw series as one inline SVG; those of very different scales get panels of their own.

    Args:
        series: Points ``(step, value)`` by name. A value that isn't finite breaks the line; a
            point whose step isn't finite is left out.
        log_scale: Whether the axis of values is logarithmic; a value that isn't positive then
            breaks the line.

    Returns:
        The SVG element, as wide as its surroundings up to about 600 px; "" without any series.
    """
    if not series:
        return ""
    groups = _grouped(series, log_scale=log_scale)
    lines = [line for group in groups for line in group]
    width = _WIDTHS[len(groups) - 1]
    panel_width = (width - _GAP * (len(groups) - 1)) / len(groups)
    steps = _shared_steps(lines, panel_width)
    legends = [Legend.of(group, panel_width) for group in groups]
    top = max(legend.height for legend in legends)
    drawn = [
        Panel(legend.lines, steps, panel_width, top, log_scale=log_scale) for legend in legends
    ]
    body = "".join(
        f'<g transform="translate({coordinate(i * (panel_width + _GAP))} 0)">'
        f"{legend.svg()}{panel.svg()}</g>"
        for i, (legend, panel) in enumerate(zip(legends, drawn, strict=True))
    )
    label = html.escape(_description(lines), quote=True)
    style = (
        f"display:block;width:100%;max-width:{width}px;height:auto;font:11px {_FONT};"
        f"font-variant-numeric:tabular-nums;fill:{TEXT_COLOUR}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {drawn[0].height}" '
        f'role="img" aria-label="{label}" style="{style}">{STYLE}{body}</svg>'
    )


def _grouped(series: Mapping[str, Series], *, log_scale: bool) -> list[list[Line]]:
    """The lines by panel."""
    lines = {
        name: Line.of(i, name, points, log_scale=log_scale)
        for i, (name, points) in enumerate(series.items())
    }
    drawn = {name: line.points for name, line in lines.items()}
    names = [list(series)] if log_scale else panels(drawn)
    return [[lines[name] for name in group] for group in names]


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


def _shared_steps(lines: list[Line], panel_width: float) -> Axis:
    """The axis of steps, the same for all panels so that they can be compared."""
    is_whole = all(float(step).is_integer() for line in lines for step, _ in line.points)
    ends = [line.steps for line in lines if line.steps is not None]
    first, last = (
        min((low for low, _ in ends), default=0),
        max((high for _, high in ends), default=1),
    )
    return step_axis(first, last, max(3, int(panel_width / 70)), is_whole=is_whole)


def _description(lines: list[Line]) -> str:
    last = "; ".join(
        f"{line.name} {line.last} at step {compact(line.points[-1][0])}"
        if line.points
        else f"{line.name} no values"
        for line in lines
    )
    return f"line chart, last values: {last}"


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(value / len(finite) for value in finite) if finite else math.nan


def _block(value: float, axis: Axis) -> str:
    if not math.isfinite(value):
        return " "
    height = int(axis.fraction(value) * len(_BLOCKS) + 1e-9)
    return _BLOCKS[min(len(_BLOCKS) - 1, height)]
