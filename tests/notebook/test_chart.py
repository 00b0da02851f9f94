"""Charts of metrics: what is drawn, and that any numbers can be."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.notebook.chart import line_chart, text_chart
from caikit_nb.notebook.chart_axis import Axis, compact, step_axis, value_axis
from caikit_nb.notebook.chart_series import MAX_PANELS, Series, panels, thin

SVG = "{http://www.w3.org/2000/svg}"
LOSS = [(float(i), 2.3 * math.exp(-i / 9) + 0.1) for i in range(40)]
ACCURACY = [(float(i), 0.96 - 0.85 * math.exp(-i / 8)) for i in range(40)]
NAN, INF = math.nan, math.inf

any_float = st.floats(allow_nan=True, allow_infinity=True)
any_series = st.lists(st.tuples(any_float, any_float), max_size=30)


def texts(svg: str) -> list[str]:
    """All visible text, piece by piece."""
    root = ElementTree.fromstring(svg)
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def without_strips(svg: str) -> ElementTree.Element:
    """The chart without what it shows under the pointer only."""
    root = ElementTree.fromstring(svg)
    for group in list(root.iter(f"{SVG}g")):
        for strip in [child for child in group if child.get("class") == "caikit-strip"]:
            group.remove(strip)
    return root


def lines(svg: str) -> list[ElementTree.Element]:
    """The element of each drawn line: a path with round joins."""
    root = ElementTree.fromstring(svg)
    return [path for path in root.iter(f"{SVG}path") if path.get("stroke-linejoin")]


def stretches(path: ElementTree.Element) -> int:
    """How many connected pieces a line has."""
    return path.get("d", "").count("M")


def dots(svg: str) -> int:
    """How many dots are drawn."""
    return len(list(without_strips(svg).iter(f"{SVG}circle")))


def columns(svg: str) -> int:
    """How many panels stand side by side."""
    return len(ElementTree.fromstring(svg).findall(f"{SVG}g"))


def test_each_series_is_a_line_with_its_name_and_last_value() -> None:
    """The legend tells what the line's end is."""
    svg = line_chart({"loss": LOSS, "accuracy": ACCURACY})
    assert len(lines(svg)) == 2
    assert texts(svg)[:2] == ["loss 0.1302", "accuracy 0.9535"]


def test_a_screen_reader_hears_the_last_values() -> None:
    """The chart is one image with a label."""
    root = ElementTree.fromstring(line_chart({"loss": LOSS, "lr": []}))
    assert root.get("role") == "img"
    assert root.get("aria-label") == (
        "line chart, last values: loss 0.1302 at step 39; lr no values"
    )


def test_no_series_no_chart() -> None:
    """A job without metrics has no empty frame."""
    assert line_chart({}) == ""


def test_a_single_point_is_a_dot() -> None:
    """The first value is seen as soon as it is there."""
    svg = line_chart({"loss": [(0, 2.3)]})
    assert dots(svg) == 1
    assert stretches(lines(svg)[0]) == 0


@pytest.mark.parametrize("gap", [NAN, INF, -INF])
def test_a_value_that_is_not_finite_breaks_the_line(gap: float) -> None:
    """A gap is a gap; a value alone between two gaps is a dot."""
    values = [3, 2, gap, 2, 1, gap, 1.5, gap, 1, 0]
    svg = line_chart({"loss": list(enumerate(values))})
    assert stretches(lines(svg)[0]) == 3
    assert dots(svg) == 2  # the lone value, and the line's end


def test_a_last_value_that_is_not_a_number_is_told() -> None:
    """A loss that has become NaN must not look like its last good value."""
    svg = line_chart({"loss": [(0, 1.0), (1, NAN)]})
    assert texts(svg)[0] == "loss NaN"


def test_a_point_without_a_finite_step_is_left_out() -> None:
    """It has no place."""
    svg = line_chart({"loss": [(0, 1.0), (NAN, 5.0), (1, 2.0)]})
    assert stretches(lines(svg)[0]) == 1
    assert texts(svg)[0] == "loss 2"


def test_a_constant_series_runs_through_the_middle() -> None:
    """No range, no division by zero."""
    path = lines(line_chart({"lr": [(0, 3e-4), (1, 3e-4)]}))[0].get("d", "")
    heights = re.findall(r" ([\d.]+)", path)
    assert heights[0] == heights[1]


def test_names_are_escaped() -> None:
    """A metric's name can't put markup into the page."""
    name = "<script>alert('&\"')</script>"
    svg = line_chart({name: LOSS})
    assert "<script" not in svg
    assert name[:25] + "… 0.1302" in texts(svg)
    root = ElementTree.fromstring(svg)
    assert name in root.get("aria-label", "")


def test_long_names_are_shortened_but_told_in_full_on_hovering() -> None:
    """The legend stays small."""
    svg = line_chart({"validation/mean_average_precision": LOSS})
    assert texts(svg)[0] == "validation/mean_average_p… 0.1302"
    assert "<title>validation/mean_average_precision: last 0.1302, lowest" in svg


def test_eight_series_differ_in_colour_and_the_second_four_in_dashes_too() -> None:
    """Who can't tell the colours apart has the dashes."""
    drawn = lines(line_chart({f"fold {i}": LOSS for i in range(8)}))
    assert len({path.get("stroke") for path in drawn}) == 8
    assert [bool(path.get("stroke-dasharray")) for path in drawn] == [False] * 4 + [True] * 4


def test_more_series_than_colours_still_differ() -> None:
    """Colours come again with other dashes."""
    drawn = lines(line_chart({f"fold {i}": LOSS for i in range(16)}))
    assert len({(path.get("stroke"), path.get("stroke-dasharray")) for path in drawn}) == 16


def test_text_takes_the_colour_of_its_surroundings() -> None:
    """JupyterLab's colour where it is, else the page's own, dark or light."""
    svg = line_chart({"loss": LOSS})
    assert "fill:var(--jp-ui-font-color1, currentColor)" in svg
    assert not re.search(r"(black|white|#000|#fff)", svg)


def test_a_long_series_is_drawn_with_few_points() -> None:
    """The card stays small however long the job runs."""
    svg = line_chart({"loss": [(i, math.sin(i)) for i in range(100_000)]})
    assert len(svg) < 35_000


def test_the_same_numbers_give_the_same_chart() -> None:
    """Nothing random and no clock: a card that hasn't changed isn't sent anew."""
    assert line_chart({"a": LOSS, "b": ACCURACY}) == line_chart({"a": LOSS, "b": ACCURACY})


@given(st.dictionaries(st.text(max_size=8), any_series, max_size=9))
def test_any_numbers_give_a_chart_within_its_frame(series: dict[str, Series]) -> None:
    """Whatever was logged, the drawing is valid and nothing lies outside."""
    # What XML 1.0 can't hold, HTML can.
    svg = re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", line_chart(series))
    if not series:
        return
    root = ElementTree.fromstring(svg)
    width, height = map(float, root.get("viewBox", "").split()[2:])
    for path in lines(svg):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+(?:e-?\d+)?", path.get("d", ""))]
        assert all(0 <= x <= width for x in numbers[::2])
        assert all(0 <= y <= height for y in numbers[1::2])
    assert "nan" not in "".join(path.get("d", "") for path in lines(svg))


def scaled(factor: float, offset: float = 0) -> Series:
    return [(step, offset + value * factor) for step, value in LOSS]


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ({"loss": LOSS, "accuracy": ACCURACY}, [["loss", "accuracy"]]),
        ({"loss": LOSS[:1], "accuracy": ACCURACY[:1]}, [["loss", "accuracy"]]),
        ({"loss": LOSS, "percent": scaled(90), "val": LOSS}, [["loss", "val"], ["percent"]]),
        ({"loss": LOSS, "auc": scaled(0.01, 0.97)}, [["loss"], ["auc"]]),
        ({"loss": LOSS, "lr": [(0, 1e-4), (1, 1e-4)]}, [["loss"], ["lr"]]),
        ({"loss": LOSS, "zero": [(0, 0), (1, 0)], "none": []}, [["loss", "zero", "none"]]),
    ],
)
def test_series_of_like_scale_share_a_panel(
    series: dict[str, Series], expected: list[list[str]]
) -> None:
    """A series that would look flat beside another gets a panel of its own."""
    assert panels(series) == expected
    assert columns(line_chart(series)) == len(expected)


def test_there_are_at_most_three_panels() -> None:
    """With more scales than panels, the nearest ones share."""
    groups = panels({f"e{i}": scaled(10.0**i) for i in range(0, 24, 3)})
    assert len(groups) == MAX_PANELS
    assert sorted(name for group in groups for name in group) == sorted(
        f"e{i}" for i in range(0, 24, 3)
    )


@given(st.dictionaries(st.text(max_size=3), any_series, max_size=8))
def test_each_series_is_in_one_panel(series: dict[str, Series]) -> None:
    """None is lost, none is doubled."""
    groups = panels(series)
    assert len(groups) <= MAX_PANELS
    assert sorted(name for group in groups for name in group) == sorted(series)


def test_a_short_series_is_not_thinned() -> None:
    """Up to the limit every point stays."""
    assert thin(LOSS, 40) == LOSS


def test_thinning_keeps_spikes_ends_and_gaps() -> None:
    """What catches the eye stays."""
    points: list[tuple[float, float]] = [(i, 1.0) for i in range(10_000)]
    points[1234], points[7777], points[5000] = (1234, 50.0), (7777, -50.0), (5000, NAN)
    kept = thin(points, 100)
    assert len(kept) <= 100
    assert {points[i] for i in (0, 1234, 7777, 9999)} <= set(kept)
    assert any(math.isnan(value) for _, value in kept)


@given(st.lists(any_float, max_size=300), st.integers(5, 60))
def test_thinned_points_are_some_of_the_points_in_order(values: list[float], limit: int) -> None:
    """No more than the limit; the first, the last, the lowest and the highest among them."""
    points = [(float(i), value) for i, value in enumerate(values)]
    kept = thin(points, limit)
    assert len(kept) <= max(limit, 0)
    steps = [step for step, _ in kept]
    assert steps == sorted(set(steps))
    assert all(points[int(step)][1] is value for step, value in kept)
    assert steps[:1] == [step for step, _ in points[:1]]
    assert steps[-1:] == [step for step, _ in points[-1:]]
    finite = [value for value in values if math.isfinite(value)]
    kept_finite = [value for _, value in kept if math.isfinite(value)]
    assert (min(finite), max(finite)) == (min(kept_finite), max(kept_finite)) if finite else True


def test_a_limit_too_small_to_thin_to_is_refused() -> None:
    """First, last, lowest, highest and a gap need five places."""
    with pytest.raises(ValueError, match="at least 5, not 4"):
        thin(LOSS, 4)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ["0", "0.5", "1.0"]),
        (0.13, 2.43, ["0", "1", "2"]),
        (0.98, 0.989, ["0.980", "0.985", "0.990"]),
        (-5, 5, ["−5", "0", "5"]),
        (0, 63.7e6, ["0", "20M", "40M", "60M"]),
        (0, 4e-5, ["0", "1e−5", "2e−5", "3e−5", "4e−5"]),
        (0, 5000, ["0", "2000", "4000", "6000"]),
        (3e-4, 3e-4, ["2.6e−4", "2.8e−4", "3.0e−4", "3.2e−4"]),
        (0, 0, ["−1.0", "−0.5", "0", "0.5", "1.0"]),
    ],
)
def test_ticks_are_round_and_told_apart(low: float, high: float, labels: list[str]) -> None:
    """Steps of 1, 2 or 5, with just the digits that differ."""
    assert list(value_axis(low, high).labels) == labels


def is_within(axis: Axis, value: float) -> bool:
    """Whether a value lies on the axis, but for rounding."""
    margin = 1e-6 * (axis.high - axis.low)
    return axis.low - margin <= value <= axis.high + margin


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_any_axis_holds_its_values_and_some_ticks(a: float, b: float) -> None:
    """The ends are apart, the values and the ticks lie between them, the labels differ."""
    low, high = min(a, b), max(a, b)
    axis = value_axis(low, high)
    assert axis.low < axis.high
    assert axis.fraction(low) <= axis.fraction(high)
    assert 2 <= len(axis.ticks) <= 8
    assert len(set(axis.labels)) == len(axis.labels) == len(axis.ticks)
    assert all(is_within(axis, tick) for tick in axis.ticks)


def test_whole_steps_have_whole_ticks() -> None:
    """There is no epoch 0.5."""
    assert step_axis(0, 2).labels == ("0", "1", "2")
    assert step_axis(0, 2, is_whole=False).labels == ("0", "0.5", "1.0", "1.5", "2.0")


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e9), st.booleans())
def test_any_steps_have_an_axis(low: float, width: float, is_whole: bool) -> None:
    """At least one tick, and all within."""
    axis = step_axis(low, low + width, is_whole=is_whole)
    assert axis.ticks
    assert len(axis.ticks) <= 12
    assert all(is_within(axis, tick) for tick in axis.ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.12345, "0.1235"),
        (-12.345, "−12.35"),
        (1234.5, "1234"),
        (9999.4, "9999"),
        (12_345, "12.3k"),
        (999_999, "1M"),
        (1.3e9, "1.3G"),
        (0.00032, "3.2e−4"),
        (0.001, "0.001"),
        (1e20, "1e20"),
        (NAN, "NaN"),
        (INF, "∞"),
        (-INF, "−∞"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    """About four digits and a unit."""
    assert compact(value) == text


@given(any_float)
def test_any_number_has_a_short_text(value: float) -> None:
    """At most ten characters, and near the number."""
    text = compact(value)
    assert len(text) <= 10
    if abs(value) < 1e308:
        unit = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(text[-1], 1)
        shown = float(text.rstrip("kMGT").replace("−", "-")) * unit
        assert shown == pytest.approx(value, rel=0.01)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], ""),
        ([1.0], "▅"),
        ([0, 1, 2, 3, 4, 5, 6, 7], "▁▂▃▄▅▆▇█"),
        ([0, NAN, 7, INF], "▁ █ "),
        ([NAN, NAN], "  "),
        ([2, 2, 2], "▅▅▅"),
        ([-1e308, 1e308], "▁█"),
    ],
)
def test_a_terminal_gets_blocks(values: list[float], text: str) -> None:
    """Low to high in eight heights, gaps where there is no number."""
    assert text_chart(values) == text


def test_many_values_are_averaged_to_the_width() -> None:
    """The shape stays."""
    assert text_chart([float(i // 100) for i in range(800)], width=8) == "▁▂▃▄▅▆▇█"


def test_a_width_below_one_is_refused() -> None:
    """There is no chart without a column."""
    with pytest.raises(ValueError, match="at least 1, not 0"):
        text_chart([1.0], width=0)


@given(st.lists(any_float), st.integers(1, 60))
def test_any_values_fit_the_width(values: list[float], width: int) -> None:
    """One character for each value, or as many as there is room for."""
    assert len(text_chart(values, width)) == min(width, len(values))
