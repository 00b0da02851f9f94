"""The numbers beside a progress bar, as people write them."""

from __future__ import annotations

from caikit_nb.jobs.progress import Bar
from caikit_nb.jobs.sizes import format_size

_BYTES = "B"
_MOST_WRITTEN_OUT = 1e9
_PREFIXES = "kMGTPE"


def bar_numbers(bar: Bar) -> str:
    """Count, rate and the words after the bar."""
    parts = [_amount(bar.n, bar.unit)]
    if bar.total is not None:
        parts[0] += f"/{_amount(bar.total, bar.unit)}"
    rate = bar.rate or (bar.n / bar.elapsed_s if bar.elapsed_s and bar.n else None)
    if rate:
        parts.append(_speed(rate, bar.unit))
    if bar.postfix:
        parts.append(bar.postfix)
    return " · ".join(parts)


def _amount(amount: float, unit: str) -> str:
    if unit == _BYTES and amount >= 0:
        return format_size(round(amount))
    if abs(amount) >= _MOST_WRITTEN_OUT:
        return _short(amount)
    return f"{amount:,.0f}" if abs(amount) >= 1000 or amount == round(amount) else f"{amount:.3g}"


def _speed(rate: float, unit: str) -> str:
    if unit == _BYTES:
        return f"{format_size(round(rate))}/s"
    return f"{_short(rate)} {unit}/s" if rate >= 1 else f"{_short(1 / rate)} s/{unit}"


def _short(amount: float) -> str:
    prefix = ""
    for larger in _PREFIXES:
        if abs(amount) < 999.5:
            break
        amount, prefix = amount / 1000, larger
    return f"{amount:.3g}{prefix}"
