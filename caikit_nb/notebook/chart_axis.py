"""Axes: round tick values, and numbers short enough to stand beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Far from the float's limits, so that no difference or power of ten overflows.
_LARGEST, _SMALLEST = 1e290, 1e-290
_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_FIRST_SUFFIX = 1e4  # "5000" is as short as "5.0k"


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values.

    Attributes:
        low: The value at its start.
        high: The value at its end; more than `low`.
        ticks: Round values within, ascending.
        labels: A text for each tick.
        is_log: Whether equal ratios of values, all positive, take equal space.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    is_log: bool = False

    def fraction(self, value: float) -> float:
        """Where a value lies: 0 at the axis' start, 1 at its end."""
        if self.is_log:
            low, high = math.log10(self.low), math.log10(self.high)
            at = math.log10(max(value, _SMALLEST))
            return min(1.0, max(0.0, (at - low) / (high - low)))
        # Values too large or too small to compute with lie at the ends.
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


def value_axis(low: float, high: float, count: int = 4) -> Axis:
    """An axis that holds the values from `low` to `high`; its ends are ticks if these are near."""
    low, high = widened(bounded(low), bounded(high))
    step = _round_step((high - low) / count)
    margin = 0.04 * (high - low)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    low, high = (
        first * step if low - first * step <= step / 2 else low - margin,
        last * step if last * step - high <= step / 2 else high + margin,
    )
    return Axis(low, high, *_ticks_within(low, high, step))


def log_axis(low: float, high: float, count: int = 4) -> Axis:
    """A logarithmic axis that holds the positive values from `low` to `high`."""
    low, high = max(low, _SMALLEST), min(high, _LARGEST)
    if high < low * 1.5:
        middle = math.sqrt(low * high)
        low, high = middle / 1.5, middle * 1.5
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, math.ceil((last - first) / count))
    ticks = [10.0**power for power in range(first, last + 1, every)]
    if len([tick for tick in ticks if low <= tick <= high]) < 3:
        ticks = [f * 10.0**power for power in range(first, last + 1) for f in (1, 2, 5)]
    margin = (high / low) ** 0.04
    low, high = low / margin, high * margin
    within = tuple(tick for tick in ticks if low <= tick <= high) or (math.sqrt(low * high),)
    return Axis(low, high, within, tuple(compact(tick) for tick in within), is_log=True)


def step_axis(low: float, high: float, count: int = 6, *, is_whole: bool = True) -> Axis:
    """An axis from `low` to `high` exactly, with ticks between; whole numbers if asked."""
    low, high = bounded(low), bounded(high)
    if widened(low, high) != (low, high):
        return Axis(*widened(low, high), (low,), (compact(low),))
    step = _round_step((high - low) / count)
    if is_whole and step < 1 <= high - low:
        step = 1.0
    return Axis(low, high, *_ticks_within(low, high, step))


def compact(value: float) -> str:
    """A number in about four digits, such as 0.1235, 12.3k or 3.2e−5."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    magnitude = abs(value)
    if magnitude == 0:
        return "0"
    if magnitude < 0.000_999_95 or magnitude >= 999.5e12:
        mantissa, exponent = f"{value:.2e}".split("e")
        return _minus(f"{float(mantissa):g}e{int(exponent)}")
    if magnitude < _FIRST_SUFFIX - 0.5:
        return _minus(f"{value:.4g}")
    unit, suffix = next(entry for entry in _SUFFIXES if magnitude >= entry[0] * 0.9995)
    return _minus(f"{value / unit:.3g}{suffix}")


def bounded(value: float) -> float:
    """The value, kept where arithmetic neither overflows nor loses all digits."""
    if abs(value) < _SMALLEST:
        return 0.0
    return max(-_LARGEST, min(_LARGEST, value))


def widened(low: float, high: float) -> tuple[float, float]:
    """A range with a length that numbers can tell apart, around a constant if need be."""
    size = max(abs(low), abs(high))
    if high - low > size * 1e-9:
        return low, high
    margin = size * 0.1 or 1.0
    return low - margin, high + margin


def _round_step(rough: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _ticks_within(
    low: float, high: float, step: float
) -> tuple[tuple[float, ...], tuple[str, ...]]:
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    ticks = tuple(i * step for i in range(first, last + 1)) or (low,)
    return ticks, _labels(ticks, step)


def _labels(ticks: tuple[float, ...], step: float) -> tuple[str, ...]:
    """Labels of equal precision, just enough to tell the ticks apart."""
    size = max(abs(tick) for tick in ticks) or 1.0
    if size < 1e-3 or size >= 1e15:
        exponent = math.floor(math.log10(size) + 1e-9)
        unit, suffix = 10.0**exponent, f"e{exponent}"
    elif size < _FIRST_SUFFIX:
        unit, suffix = 1.0, ""
    else:
        unit, suffix = next(entry for entry in _SUFFIXES if size >= entry[0])
    digits = max(0, -math.floor(math.log10(step / unit) + 1e-9))
    return tuple(_label(tick / unit, digits, suffix) for tick in ticks)


def _label(amount: float, digits: int, suffix: str) -> str:
    text = f"{amount:.{digits}f}"
    return _minus(text + suffix) if float(text) else "0"


def _minus(text: str) -> str:
    return text.replace("-", "−")
