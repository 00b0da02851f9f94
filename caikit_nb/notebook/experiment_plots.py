"""The plots of an experiment, by matplotlib, as SVG: they stay in saved notebooks as they are."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from typing import Any

from caikit_nb.experiments.encoding import JSON
from caikit_nb.experiments.picture import Picture
from caikit_nb.experiments.results import number

# Grey reads well on white and on black.
_INK, _LINE, _ACCENT = "#808489", "#80848955", "#1976d2"
_SIZE = (5.2, 2.7)
_MOST_AXES = 8
_MOST_LINES = 400
_MOST_TICKS = 5


def metric_plot(picture: Picture) -> str:
    """The metric over the trials, and the best so far; empty if there is no number yet."""
    points = picture.values()
    if not points:
        return ""
    figure, axes = _figure()
    numbers, values = zip(*points, strict=True)
    axes.plot(numbers, values, "o", color=_ACCENT, alpha=0.55, markersize=4, markeredgewidth=0)
    axes.step(numbers, _best_so_far(values, picture.objective), where="post", color="#2e7d32")
    axes.set_xlabel("trial", color=_INK)
    axes.set_title(f"{picture.metric}, and the best so far", color=_INK, fontsize=9, loc="left")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(visible=True, color=_LINE, linewidth=0.5)
    return _svg(figure, f"{picture.metric} over the trials")


def _best_so_far(values: Sequence[float], objective: str) -> list[float]:
    better = max if objective == "max" else min
    found: list[float] = []
    for value in values:
        found.append(better(found[-1], value) if found else value)
    return found


def parallel_plot(picture: Picture) -> str:
    """A line for each trial across its hyperparameters to the metric; empty if there are none."""
    names = [name for name in picture.hyperparameter_names if _varies(picture, name)]
    done = [picture.jobs[at - 1] for at, _ in picture.values()][-_MOST_LINES:]
    if not names or len(done) < 2:
        return ""
    names = names[:_MOST_AXES]
    scales = [_Scale(name, [job.hyperparameters.get(name) for job in done]) for name in names]
    metric = picture.metric or ""
    scales.append(_Scale(metric, [job.results[metric] for job in done]))
    figure, axes = _figure()
    from matplotlib import colormaps

    order = sorted(range(len(done)), key=lambda i: scales[-1].heights[i])
    for i in order if picture.objective == "max" else reversed(order):
        height = scales[-1].heights[i]
        shade = height if picture.objective == "max" else 1 - height
        heights = [scale.heights[i] for scale in scales]
        axes.plot(heights, color=colormaps["viridis"](0.9 * shade), alpha=0.75, linewidth=1.1)
    _draw_scales(axes, scales)
    axes.set_title("hyperparameters and result", color=_INK, fontsize=9, loc="left", pad=16)
    return _svg(figure, "hyperparameters and result of each trial")


def _draw_scales(axes: Any, scales: Sequence[_Scale]) -> None:
    for at, scale in enumerate(scales):
        axes.axvline(at, color=_LINE, linewidth=1)
        axes.text(at, 1.11, scale.name, color=_INK, ha="center", va="bottom", fontsize=8)
        for height, label in scale.ticks:
            _draw_tick(axes, at, height, label)
    axes.set_xlim(-0.3, len(scales) - 1 + 0.3)
    axes.set_ylim(-0.09, 1.1)
    axes.set_axis_off()


def _draw_tick(axes: Any, at: int, height: float, label: str) -> None:
    """A label beside the axis, or at its ends, where many lines meet, beyond them."""
    style = {"color": _INK, "fontsize": 7}
    if 0 < height < 1:
        axes.text(at + 0.03, height, label, va="center", **style)
    elif height:
        axes.text(at, 1.02, label, ha="center", va="bottom", **style)
    else:
        axes.text(at, -0.03, label, ha="center", va="top", **style)


def _varies(picture: Picture, name: str) -> bool:
    return len({repr(job.hyperparameters.get(name)) for job in picture.jobs}) > 1


class _Scale:
    """One axis: each value's height from 0 to 1, and some labels.

    Numbers that are above 0 and span more than a hundredfold are on a log scale; what isn't a
    number has a place of its own for each value.
    """

    def __init__(self, name: str, values: Sequence[JSON]) -> None:
        self.name = name if len(name) <= 14 else f"{name[:13]}…"
        numbers = [number(value) for value in values]
        plain = [each for each in numbers if each is not None and math.isfinite(each)]
        if len(plain) == len(values):
            self._place_numbers(plain)
        else:
            self._place_kinds([_short(value) for value in values])

    def _place_numbers(self, values: Sequence[float]) -> None:
        low, high = min(values), max(values)
        is_log = low > 0 and high / low > 100
        scale = math.log if is_log else float
        start, span = scale(low), (scale(high) - scale(low)) or 1.0
        self.heights = [(scale(value) - start) / span for value in values]
        middle = math.exp(start + span / 2) if is_log else low + (high - low) / 2
        shown = [(0.0, low), (0.5, middle), (1.0, high)] if high > low else [(0.0, low)]
        kinds = dict(zip(values, self.heights, strict=True))
        if len(kinds) <= _MOST_TICKS:
            shown = [(height, value) for value, height in kinds.items()]
        self.ticks = [(height, f"{value:.3g}") for height, value in shown]

    def _place_kinds(self, values: Sequence[str]) -> None:
        kinds = sorted(set(values))
        places = {kind: at / max(1, len(kinds) - 1) for at, kind in enumerate(kinds)}
        self.heights = [places[value] for value in values]
        self.ticks = [(place, kind) for kind, place in places.items()][:_MOST_TICKS]


def _short(value: JSON) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 12 else f"{text[:11]}…"


def _figure() -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.tick_params(colors=_INK, labelsize=7.5, length=2)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_LINE)
    axes.set_facecolor("none")
    return figure, axes


def _svg(figure: Any, title: str) -> str:
    """The figure as an image that fits its column, with the page's own font."""
    import html

    import matplotlib

    out = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"([^>]*?)width="[^"]*"', r"<svg \1\2", svg, count=1)
    label = html.escape(title)
    return svg.replace(
        "<svg ", f'<svg role="img" aria-label="{label}" style="width:100%;height:auto" ', 1
    )
