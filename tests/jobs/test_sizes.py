"""Sizes: what is accepted, what is refused and how they are shown."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.jobs.sizes import LARGEST, format_size, parse_size


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (1024, 1024),
        (numpy.int64(7), 7),
        ("1024", 1024),
        ("12B", 12),
        ("12 B", 12),
        ("100kB", 100_000),
        ("100KB", 100_000),
        ("4GB", 4 * 10**9),
        ("1.5 GB", 1_500_000_000),
        ("0.1GB", 100_000_000),
        ("512MiB", 512 * 2**20),
        ("1KiB", 1024),
        ("1.5TiB", 3 * 2**39),
        ("1.0001kB", 1000),
    ],
)
def test_sizes_are_read(value: object, expected: int) -> None:
    """Decimal units count in thousands, binary ones in 1024s, exactly."""
    assert parse_size(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *["", " ", "GB", "4 ", " 4GB", "4GB\n", "4  GB", "4gb", "4G", "4kiB", "-4GB", "+4", "1e9"],
        *[
            "1.5",
            "1.5B",
            ".5GB",
            "1.GB",
            "\u0664GB",
            "4XB",
            "9" * 5000,
            "9" * 5000 + "GB",
            "9" * 30,
        ],
        *[-1, 2**63, 10**400, True, False, 1.5, 4e9, None, b"4GB", [], object()],
    ],
    ids=lambda value: str(type(value).__name__) + ascii(str(value)[:20] if value != 10**400 else 0),
)
def test_everything_else_is_refused(value: object) -> None:
    """The error is a ValueError on one line that repeats the input and shows the forms."""
    with pytest.raises(ValueError, match=r"is not a size: use e\.g\. 4GB, 512MiB") as caught:
        parse_size(value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.one_of(st.text(), st.text("0123456789kKMGTPiB .-\n"), st.integers(), st.floats()))
def test_any_input_is_a_size_or_a_value_error(value: object) -> None:
    """Nothing but ValueError is raised, and no size is out of range."""
    try:
        size = parse_size(value)
    except ValueError:
        return
    assert 0 <= size <= LARGEST


@given(st.integers(0, LARGEST))
def test_a_plain_number_of_bytes_is_read_back(size: int) -> None:
    """Digits without a unit are bytes."""
    assert parse_size(size) == parse_size(str(size)) == parse_size(f"{size} B") == size


@given(st.integers(0, LARGEST))
def test_a_shown_size_reads_back_within_six_percent(size: int) -> None:
    """Two digits are kept at least."""
    assert abs(parse_size(format_size(size)) - size) <= 0.06 * size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (12, "12 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (340_000, "340 kB"),
        (999_500, "1.0 MB"),
        (1_234_567_890, "1.2 GB"),
        (5 * 10**18, "5000 PB"),
        (-340_000, "-340 kB"),
    ],
)
def test_sizes_are_shown_in_decimal_units(size: int, text: str) -> None:
    """One decimal below ten, none above; rounding carries over to the next unit."""
    assert format_size(size) == text
