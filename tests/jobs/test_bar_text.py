"""Which lines are bars, and what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caikit_nb.jobs.bar_text import BarText, read_bar

BARS = {
    " 12/100 [==>.........] - loss: 0.3": BarText("", 12, 100, None, None, "it", "loss: 0.3"),
    "12/100 [=====>......] - ETA: 5s - loss: 0.2 - acc: 0.9": BarText(
        "", 12, 100, None, None, "it", "loss: 0.2 - acc: 0.9"
    ),
    "100/100 [==============] - 2s 20ms/step - loss: 0.1": BarText(
        "", 100, 100, None, None, "it", "loss: 0.1"
    ),
    "\x1b[1m 12/100\x1b[0m \x1b[32m━━━━\x1b[0m\x1b[37m━━━━━━━\x1b[0m \x1b[1m5s\x1b[0m 40ms/step"
    " - loss: 0.3": BarText("", 12, 100, None, None, "it", "loss: 0.3"),
    "Epoch 3:  40%|████      | 40/100 [00:01<00:02, 30.0it/s, loss=0.3, v_num=0]": BarText(
        "Epoch 3", 40, 100, 1, 30, "it", "loss=0.3, v_num=0"
    ),
    "Epoch 3/10: 45%|████▌     | 9/20 [01:00:01<00:02,  2.00s/it]": BarText(
        "Epoch 3/10", 9, 20, 3601, 0.5, "it", ""
    ),
    "27%|##7       | 1.20M/4.50M [00:01<00:03, 1.10MB/s]": BarText(
        "", 1.2e6, 4.5e6, 1, 1.1e6, "B", ""
    ),
    "  0%|          | 0/100 [00:00<?, ?it/s]": BarText("", 0, 100, 0, None, "it", ""),
    "Downloading: [####    ]  45%  00:00:12": BarText("Downloading", 45, 100, None, None, "%", ""),
    "   ━━━━━━━━━╸━━━━━ 1.2/4.5 MB": BarText("", 1.2e6, 4.5e6, None, None, "B", ""),
    "copying 50% (5/10)": BarText("copying", 5, 10, None, None, "it", ")"),
}
ORDINARY = (
    "3/4 cups",
    "rewritten 3/4 cups",
    "50% of 3/4",
    "12/05/2024 40%",
    "50%",
    "-----",
    "[====]",
    "loss 3/4 [a]",
    "see a/b/c.txt at 40%",
    "http://host/40/100 is 40%",
    "100% of 3/4 of the cups",
    "version 3/100 [a.b]",
    "",
)


@pytest.mark.parametrize("line", BARS)
def test_a_bar_is_read(line: str) -> None:
    read = read_bar(line)
    assert read is not None
    expected = BARS[line]
    assert read.n == pytest.approx(expected.n)
    assert (read.desc, read.total, read.elapsed_s, read.rate, read.unit, read.postfix) == (
        expected.desc,
        pytest.approx(expected.total),
        expected.elapsed_s,
        None if expected.rate is None else pytest.approx(expected.rate),
        expected.unit,
        expected.postfix,
    )


@pytest.mark.parametrize("line", ORDINARY)
def test_ordinary_text_is_no_bar(line: str) -> None:
    assert read_bar(line) is None


@given(st.text("0123456789/%[]|=#>. █━kMB:<,s\x1b"))
def test_any_line_can_be_read(line: str) -> None:
    read = read_bar(line)
    assert read is None or 0 <= read.n <= read.total or read.unit == "%"
