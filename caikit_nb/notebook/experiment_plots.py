"""The plots of an experiment, by matplotlib, as SVG: they stay in saved notebooks as they are.

They are drawn in a process of their own (`plot_process`), whatever the kernel's matplotlib is set
to; so nothing here may import the database.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

from caikit_nb.experiments.encoding import JSON, storable_text
from caikit_nb.experiments.results import number

if TYPE_CHECKING:
    from caikit_nb.experiments.picture import Picture

# These read well on white and on black.
_INK, _LINE, _ACCENT, _BEST = "#808489", "#80848955", "#2f8fe8", "#3c9d4a"
_POOR_TO_GOOD = ("#8a90a0", "#2f8fe8", "#f08c00")
_SIZE = (5.2, 2.7)
_MOST_AXES = 8
_MOST_LINES = 400
_MOST_TICKS = 5
_MOST_IN_A_NAME, _MOST_IN_A_VALUE, _MOST_IN_A_TITLE = 14, 12, 50
# More dots are smaller as an image.
_MOST_DOTS, _CRISP_DPI = 1000, 130
# Beyond it, matplotlib's own sums overflow.
_LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class Trials:
    """What the plots show of an experiment; JSON, so that it can cross to their process.

    Attributes:
        metric: The result that is looked at.
        objective: ``min`` or ``max``.
        points: The place of each job that is DONE with a number, from 1, and that number.
        hyperparameters: Those that vary, by name: their values in the newest of these jobs.
    """

    metric: str
    objective: str
    points: Sequence[tuple[int, float]]
    hyperparameters: Mapping[str, Sequence[JSON]]

    @classmethod
    def of(cls, picture: Picture) -> Self:
        """Those of a picture."""
        points = [(at, value) for at, value in picture.values() if abs(value) < _LARGEST]
        done = [picture.jobs[at - 1].hyperparameters for at, _ in points[-_MOST_LINES:]]
        values = {name: [each.get(name) for each in done] for name in picture.hyperparameter_names}
        varying = {k: found for k, found in values.items() if len(set(map(repr, found))) > 1}
        return cls(picture.metric or "", picture.objective, points, varying)

    def to_json(self) -> JSON:
        """What `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, sent: JSON) -> Self:
        """The trials of that."""
        return cls(**sent)


def draw_plots(trials: Trials) -> list[str]:
    """Both plots as SVG; those for which there is too little to see are left out."""
    return [plot for plot in (metric_plot(trials), parallel_plot(trials)) if plot]


def metric_plot(trials: Trials) -> str:
    """The metric over the trials, and the best so far; empty of less than two trials."""
    if len(trials.points) < 2:
        return ""
    figure, axes = _figure()
    numbers, values = zip(*trials.points, strict=True)
    many = len(values) > _MOST_DOTS
    size, alpha = (2, 0.4) if many else (4, 0.7)
    dots = {"color": _ACCENT, "markersize": size, "markeredgewidth": 0, "alpha": alpha}
    axes.plot(numbers, values, "o", rasterized=many, **dots)
    steps = _best_so_far(trials.points, trials.objective)
    axes.step(*zip(*steps, strict=True), where="post", color=_BEST)
    axes.set_xlabel("trial", color=_INK)
    metric = _label(trials.metric, _MOST_IN_A_TITLE)
    axes.set_title(f"{metric}, and the best so far", color=_INK, fontsize=9, loc="left")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(visible=True, color=_LINE, linewidth=0.5)
    return _svg(figure, f"{trials.metric} over the trials")


def _best_so_far(points: Sequence[tuple[int, float]], objective: str) -> list[tuple[int, float]]:
    """Where it changes, and how far it holds."""
    better = max if objective == "max" else min
    found = [points[0]]
    for at, value in points:
        if better(found[-1][1], value) != found[-1][1]:
            found.append((at, value))
    return [*found, (points[-1][0], found[-1][1])]


def parallel_plot(trials: Trials) -> str:
    """A line for each trial across its hyperparameters to the metric; empty if none varies."""
    results = [value for _, value in trials.points[-_MOST_LINES:]]
    shown = list(trials.hyperparameters.items())[:_MOST_AXES]
    if not shown or len(results) < 2:
        return ""
    scales = [_Scale(name, values) for name, values in (*shown, (trials.metric, results))]
    figure, axes = _figure()
    _draw_lines(axes, scales, is_max_best=trials.objective == "max")
    _draw_scales(axes, scales)
    axes.set_title("hyperparameters and result", color=_INK, fontsize=9, loc="left", pad=16)
    return _svg(figure, "hyperparameters and result of each trial")


def _draw_lines(axes: Any, scales: Sequence[_Scale], *, is_max_best: bool) -> None:
    """From grey to orange, the best above the others."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("goodness", _POOR_TO_GOOD)
    results = scales[-1].heights
    goodness = results if is_max_best else [1 - height for height in results]
    order = sorted(range(len(goodness)), key=lambda i: goodness[i])
    lines = LineCollection(
        [list(enumerate(scale.heights[i] for scale in scales)) for i in order],
        colors=[colours(goodness[i]) for i in order],
        alpha=0.75,
        linewidths=1.1,
    )
    axes.add_collection(lines)


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


class _Scale:
    """One axis: each value's height from 0 to 1, and some labels.

    Numbers that are above 0 and span more than a hundredfold are on a log scale; what isn't a
    number has a place of its own for each value.
    """

    def __init__(self, name: str, values: Sequence[JSON]) -> None:
        self.name = _label(name, _MOST_IN_A_NAME)
        numbers = [number(value) for value in values]
        plain = [each for each in numbers if each is not None and abs(each) < _LARGEST]
        if len(plain) == len(values):
            self._place_numbers(plain)
        else:
            self._place_kinds([_shown(value) for value in values])

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


def _shown(value: JSON) -> str:
    return _label(value if isinstance(value, str) else repr(value), _MOST_IN_A_VALUE)


def _label(text: str, most: int) -> str:
    """A text that may stand in XML, cut."""
    plain = "".join(c if c.isprintable() else " " for c in storable_text(text))
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


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

    out = io.StringIO()
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None}, dpi=_CRISP_DPI)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<svg ([^>]*?)width="[^"]*" height="[^"]*"', r"<svg \1", svg, count=1)
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"([^>]*?)width="[^"]*"', r"<svg \1\2", svg, count=1)
    label = html.escape(_label(title, 2 * _MOST_IN_A_TITLE))
    return svg.replace(
        "<svg ", f'<svg role="img" aria-label="{label}" style="width:100%;height:auto" ', 1
    )
