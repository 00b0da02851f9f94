"""Bars and metric series, as a job has reported them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caikit_nb.jobs.progress import MAX_BARS, MAX_POINTS, Bars, Metrics


def state(bar_id: int, **changes: Any) -> dict[str, Any]:
    base = {
        "id": bar_id, "desc": f"bar {bar_id}", "n": 0, "total": 10, "elapsed_s": 1.0, "rate": None,
        "unit": "it", "postfix": "", "position": 0, "leave": True, "closed": False,
    }  # fmt: skip
    return {**base, **changes}


def bars_of(*states: dict[str, Any]) -> Bars:
    bars = Bars()
    for one in states:
        bars.take({"bars": [one]})
    return bars


def test_a_bar_shows_its_latest_report() -> None:
    (bar,) = bars_of(state(1, n=1), state(1, n=5)).latest()
    assert (bar.n, bar.fraction) == (5, 0.5)


def test_bars_are_shown_outermost_first() -> None:
    bars = bars_of(state(2, position=1), state(1, position=0)).latest()
    assert [bar.desc for bar in bars] == ["bar 1", "bar 2"]


def test_a_bar_read_out_of_the_text_comes_after_one_that_was_told() -> None:
    bars = bars_of(state(1, is_printed=True), state(2), state(3, position=1)).latest()
    assert [bar.desc for bar in bars] == ["bar 2", "bar 1", "bar 3"]


def test_a_closed_outer_bar_stays_and_an_inner_one_goes() -> None:
    bars = bars_of(state(1), state(2, position=1), state(2, position=1, closed=True))
    assert [bar.desc for bar in bars.latest()] == ["bar 1"]
    bars.take({"bars": [state(1, closed=True)]})
    assert [bar.closed for bar in bars.latest()] == [True]


def test_a_bar_that_is_not_to_be_left_goes() -> None:
    assert bars_of(state(1), state(1, closed=True, leave=False)).latest() == []


def test_only_so_many_bars_are_kept() -> None:
    bars = bars_of(*(state(number, closed=True) for number in range(1000)))
    assert len(bars.latest()) <= MAX_BARS
    assert len(bars._bars) <= MAX_BARS


def test_the_main_bar_is_the_outermost_open_one() -> None:
    bars = bars_of(state(1, closed=True), state(2), state(3, position=1))
    assert bars.main is not None
    assert bars.main.desc == "bar 2"
    assert Bars().main is None


def test_the_remaining_time_follows_the_rate() -> None:
    (bar,) = bars_of(state(1, n=5, elapsed_s=10.0)).latest()
    assert bar.remaining_s == pytest.approx(10.0, abs=1.0)
    (without_total,) = bars_of(state(1, n=5, total=None)).latest()
    assert without_total.remaining_s is None
    assert without_total.fraction is None


def test_a_bar_past_its_total_is_full() -> None:
    (bar,) = bars_of(state(1, n=15)).latest()
    assert (bar.fraction, bar.remaining_s) == (1.0, 0.0)


def metrics_of(*points: tuple[str, float, float]) -> Metrics:
    metrics = Metrics()
    metrics.take({"points": [list(point) for point in points]})
    return metrics


def test_series_are_kept_by_name() -> None:
    metrics = metrics_of(("loss", 0, 1.0), ("acc", 0, 0.1), ("loss", 1, 0.5))
    assert dict(metrics) == {"loss": [(0, 1.0), (1, 0.5)], "acc": [(0, 0.1)]}


def test_a_long_series_keeps_its_extremes_and_its_order() -> None:
    points = [("x", step, math.sin(step)) for step in range(3 * MAX_POINTS)]
    points[12_345] = ("x", 12_345, 100.0)
    points[23_456] = ("x", 23_456, -100.0)
    series = metrics_of(*points)["x"]
    assert len(series) <= MAX_POINTS
    assert (12_345, 100.0) in series
    assert (23_456, -100.0) in series
    assert [step for step, _ in series] == sorted(step for step, _ in series)


@settings(max_examples=20)
@given(st.lists(st.floats(), max_size=30), st.integers(0, 3))
def test_no_value_breaks_a_series(values: list[float], repeat: int) -> None:
    wanted = (values or [math.nan]) * (MAX_POINTS // max(1, len(values)) + repeat + 1)
    metrics = metrics_of(*(("x", at, value) for at, value in enumerate(wanted)))
    assert 0 < len(metrics["x"]) <= MAX_POINTS + 1


def test_series_become_a_data_frame() -> None:
    frame = metrics_of(("loss", 0, 1.0), ("acc", 2, 0.5)).to_pandas()
    assert list(frame.columns) == ["metric", "step", "value"]
    assert frame.values.tolist() == [["loss", 0, 1.0], ["acc", 2, 0.5]]
