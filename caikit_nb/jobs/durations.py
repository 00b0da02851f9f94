"""Durations as people write and read them."""

import math
import re
from datetime import timedelta
from numbers import Real

from caikit_nb.execution.short_repr import short_repr

LONGEST = timedelta(days=36_500)
"""The longest finite duration: it can still be added to a date and waited for."""

_GRAMMAR = re.compile(
    r"(?:(?P<days>[0-9]+)d)?(?:(?P<hours>[0-9]+)h)?(?:(?P<minutes>[0-9]+)m)?"
    r"(?:(?P<seconds>[0-9]+(?:\.[0-9]+)?)s)?"
)
_ACCEPTED = "90s, 1h30m, 1d12h, 0.5s, a number of seconds, or forever"


def parse_duration(value: object) -> timedelta | None:
    """Read a duration (contracts J17).

    Args:
        value: Text of the form `[Nd][Nh][Nm][S[.S]s]` with at least one part, a number of
            seconds, a timedelta, or "forever" or None.

    Returns:
        The duration, or None for "forever" and None.

    Raises:
        ValueError: `value` has no such form, is negative, or is longer than `LONGEST`.
    """
    if value is None or (isinstance(value, str) and value == "forever"):
        return None
    try:
        duration = _finite_duration(value)
    except (ValueError, OverflowError):
        duration = None
    if duration is None:
        raise ValueError(f"{short_repr(value)} is not a duration: use e.g. {_ACCEPTED}")
    if duration > LONGEST:
        raise ValueError(
            f"{short_repr(value)} is longer than {LONGEST.days}d: use e.g. {_ACCEPTED}"
        )
    return duration


def format_duration(seconds: float) -> str:
    """Show a number of seconds in at most two units, such as "3 min 05 s".

    A negative number is shown as "0 s", infinity as "forever".
    """
    if math.isnan(seconds):
        return "unknown"
    if seconds == math.inf:
        return "forever"
    if seconds < 0.0005:
        return "0 s"
    if seconds < 0.00995:
        return f"{seconds * 1000:.1f}".removesuffix(".0") + " ms"
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 0.995:
        return f"{seconds:.2f}".rstrip("0") + " s"
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    return _whole_seconds(math.floor(seconds + 0.5))


def _finite_duration(value: object) -> timedelta | None:
    """The duration that `value` says, or None if it says none."""
    if isinstance(value, str):
        match = _GRAMMAR.fullmatch(value)
        if match is None or value == "":
            return None
        return timedelta(**{unit: float(n) for unit, n in match.groupdict(default="0").items()})
    if isinstance(value, timedelta):
        # A plain timedelta also where a subclass came, such as pandas.Timedelta.
        duration = timedelta(value.days, value.seconds, value.microseconds)
        return duration if duration >= timedelta(0) else None
    if isinstance(value, Real) and not isinstance(value, bool):
        seconds = float(value)
        return timedelta(seconds=seconds) if seconds >= 0 else None
    return None


def _whole_seconds(seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour} h" if hour else f"{days} d"
    if hours:
        return f"{hours} h {minute:02} min"
    if minutes:
        return f"{minutes} min {second:02} s"
    return f"{second} s"
