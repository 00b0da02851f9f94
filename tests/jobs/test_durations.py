"""Durations: what is accepted, what is refused and how they are shown."""

import math
from datetime import timedelta

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.jobs.durations import LONGEST, format_duration, parse_duration
from tests.lazy import Lazy

pandas = Lazy("pandas")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1d", timedelta(days=1)),
        ("1d12h", timedelta(days=1, hours=12)),
        ("1d12h3m0.2s", timedelta(days=1, hours=12, minutes=3, seconds=0.2)),
        ("1h30m", timedelta(minutes=90)),
        ("90s", timedelta(seconds=90)),
        ("90m", timedelta(minutes=90)),
        ("0.01s", timedelta(milliseconds=10)),
        ("0s", timedelta(0)),
        ("007d", timedelta(days=7)),
    ],
)
def test_text_of_the_grammar_is_read(text: str, expected: timedelta) -> None:
    """Each part of the grammar may be left out, and the parts add up."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize("value", [None, "forever"])
def test_forever_is_none(value: object) -> None:
    """A duration without an end is None."""
    assert parse_duration(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, timedelta(0)),
        (60, timedelta(minutes=1)),
        (0.5, timedelta(milliseconds=500)),
        (numpy.int64(3), timedelta(seconds=3)),
        (numpy.float32(0.5), timedelta(milliseconds=500)),
        (timedelta(hours=2), timedelta(hours=2)),
    ],
)
def test_numbers_are_seconds_and_timedeltas_are_taken(value: object, expected: timedelta) -> None:
    """Numbers count seconds; every timedelta becomes a plain one."""
    duration = parse_duration(value)
    assert duration == expected
    assert type(duration) is timedelta


def test_a_timedelta_of_pandas_is_taken() -> None:
    """It becomes a plain one as well."""
    test_numbers_are_seconds_and_timedeltas_are_taken(pandas.Timedelta("2h"), timedelta(hours=2))


@pytest.mark.parametrize(
    "value",
    [
        *["", " ", "s", ".s", ".5s", "1.s", "1.5d", "90", "1w", "1h30", "-1d", "+1d", " 1d", "1d "],
        *["1d\n", "1 d", "1s1d", "10S", "1D", "1x", "d", "1dd", "1e3s", "1_0s", "inf", "nan"],
        *[
            "\u0661d",
            "\uff11d",
            "\u00b2s",
            "Forever",
            "forever ",
            "None",
            "99999999999d",
            "9" * 5000 + "s",
        ],
        *[-1, -0.5, math.nan, math.inf, -math.inf, 10**400, True, False, 1j, numpy.True_],
        *[
            timedelta(seconds=-1),
            timedelta.max,
            b"1d",
            [],
            {},
            pytest.param(object(), id="object"),
            int,
        ],
    ],
    ids=lambda value: repr(value)[:30],
)
def test_everything_else_is_refused(value: object) -> None:
    """The error is a ValueError on one line that repeats the input and shows the forms."""
    with pytest.raises(ValueError, match=r"use e\.g\. 90s, .* or forever$") as caught:
        parse_duration(value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_no_time_of_pandas_is_refused() -> None:
    """NaT is no duration."""
    test_everything_else_is_refused(pandas.NaT)


def test_the_error_repeats_the_input() -> None:
    """Who mistyped an option sees what was read."""
    with pytest.raises(ValueError) as caught:
        parse_duration("1x")
    assert str(caught.value) == (
        "'1x' is not a duration: use e.g. 90s, 1h30m, 1d12h, 0.5s, a number of seconds, or forever"
    )


def test_a_value_whose_repr_fails_is_still_a_value_error() -> None:
    """No foreign error gets through, not even from the message."""

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(ValueError, match=r"^a Odd is not a duration"):
        parse_duration(Odd())


def test_the_longest_duration_is_accepted_and_one_second_more_is_not() -> None:
    """What is accepted can be added to a date without overflow."""
    assert parse_duration(f"{LONGEST.days}d") == LONGEST
    with pytest.raises(ValueError, match="longer than"):
        parse_duration(f"{LONGEST.days}d1s")


@given(st.one_of(st.text(), st.text("0123456789dhms.-\n"), st.floats(), st.integers(), st.binary()))
def test_any_input_is_a_duration_or_a_value_error(value: object) -> None:
    """Nothing but ValueError is raised, and no duration is negative."""
    try:
        duration = parse_duration(value)
    except ValueError:
        return
    assert duration is None or timedelta(0) <= duration <= LONGEST


@given(st.integers(0, 9999), st.integers(0, 99), st.integers(0, 999), st.integers(0, 10**9 - 1))
def test_what_is_written_is_read_back(days: int, hours: int, minutes: int, millis: int) -> None:
    """A written duration has the value of the sum of its parts."""
    text = f"{days}d{hours}h{minutes}m{millis // 1000}.{millis % 1000:03}s"
    expected = timedelta(days=days, hours=hours, minutes=minutes, milliseconds=millis)
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (0.04, "40 ms"),
        (0.4, "0.4 s"),
        (0.25, "0.25 s"),
        (3.0, "3 s"),
        (9.96, "10 s"),
        (12.3, "12 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7440, "2 h 04 min"),
        (86_400, "1 d"),
        (97_200, "1 d 3 h"),
        (math.inf, "forever"),
        (math.nan, "unknown"),
    ],
)
def test_durations_are_shown_in_at_most_two_units(seconds: float, text: str) -> None:
    """People read the larger units; rounding carries over."""
    assert format_duration(seconds) == text


@given(st.floats(min_value=0.001, max_value=1e8))
def test_a_shown_duration_is_close_to_the_true_one(seconds: float) -> None:
    """Read back, what is shown is within 10 %."""
    unit_s = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
    words = format_duration(seconds).split()
    shown = sum(float(n) * unit_s[unit] for n, unit in zip(words[::2], words[1::2], strict=True))
    assert abs(shown - seconds) <= 0.1 * seconds
