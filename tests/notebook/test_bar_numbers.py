"""The numbers beside a bar."""

from __future__ import annotations

import pytest

from caikit_nb.jobs.progress import Bar
from caikit_nb.notebook.bar_numbers import bar_numbers


@pytest.mark.parametrize(
    ("n", "total", "rate", "unit", "text"),
    [
        (3, 10, None, "it", "3/10"),
        (15, 25, 3.664, "it", "15/25 · 3.66 it/s"),
        (1, 40, 0.641, "it", "1/40 · 1.56 s/it"),
        (1234567, 2_000_000, 158_432.0, "it", "1,234,567/2,000,000 · 158k it/s"),
        (2.5e9, None, 999.7, "it", "2.5G · 1k it/s"),
        (0.25, 1, None, "epoch", "0.25/1"),
        (1_500_000, 12_000_000, 2_400_000.0, "B", "1.5 MB/12 MB · 2.4 MB/s"),
    ],
)
def test_numbers_are_as_people_write_them(
    n: float, total: float | None, rate: float | None, unit: str, text: str
) -> None:
    assert bar_numbers(Bar("", n, total, 0.0, rate, unit, "", 0, False)) == text


def test_words_come_last() -> None:
    assert bar_numbers(Bar("", 1, 2, 0.0, None, "it", "loss=0.2", 0, False)) == "1/2 · loss=0.2"
