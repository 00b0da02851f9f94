"""Bars that a job only prints."""

from __future__ import annotations

from typing import Any

import pytest

from caikit_nb.jobs.executor import JobExecutor
from caikit_nb.jobs.logs import LogSpool
from caikit_nb.jobs.printed_bars import PrintedBars
from caikit_nb.jobs.progress import Bars
from tests.jobs.bar_jobs import every_method, run


def seen(*pieces: str) -> list[tuple[Any, ...]]:
    """The bars after a job has printed these pieces."""
    log, bars = LogSpool(None), Bars()
    printed = PrintedBars(log.end)
    for piece in pieces:
        bars.take({"bars": printed.feed("stdout", piece.encode())})
        log.append(piece.encode())
    return [(bar.desc, bar.n, bar.total, bar.closed) for bar in bars.latest()]


def test_a_line_that_is_printed_over_is_a_bar() -> None:
    assert seen("\r 1/10 [=>.......]", "\r 2/10 [==>......]") == [("", 2, 10, False)]


def test_a_bar_in_pieces_is_read_as_a_whole() -> None:
    assert seen("\r 1/10 [=>", ".......] - loss: 3") == [("", 1, 10, False)]


def test_a_lines_end_closes_it() -> None:
    assert seen("\r10/10 [=========]", "\n") == [("", 10, 10, True)]


def test_returns_may_come_after_the_bar() -> None:
    assert seen(" 10%|#     | 1/10\r", " 20%|##    | 2/10\r") == [("", 2, 10, False)]


def test_backspaces_are_enough() -> None:
    assert seen("5/10 [====>....]", "\b" * 16, "6/10 [=====>...]") == [("", 6, 10, False)]


def test_the_epoch_above_names_the_bar() -> None:
    pieces = ("Epoch 1/2\n", "\r5/5 [=====]", "\nEpoch 2/2\n", "\r1/5 [=>...]")
    assert seen(*pieces[:2]) == [("Epoch 1/2", 5, 5, False)]
    assert seen(*pieces) == [("Epoch 2/2", 1, 5, False)]


def test_the_epoch_above_names_a_bar_that_comes_in_one_large_piece() -> None:
    writings = "".join(f"\r{n}/900 [{'=' * 20}]" for n in range(900))
    assert seen("Epoch 2/2\n", writings) == [("Epoch 2/2", 899, 900, False)]


def test_a_bar_after_other_words_has_no_epoch() -> None:
    assert seen("Epoch 2/2\n", "\r5/5 [=====]\n", "evaluating\n", "\r1/5 [=>...]") == [
        ("", 1, 5, False)
    ]


def test_nested_bars_of_tqdm_have_a_row_each() -> None:
    up = "\x1b[A"
    outer, inner = "\router:  50%|#####     | 1/2", "\rinner:  25%|##5       | 1/4"
    assert seen(f"{outer}\n{inner}{up}", outer, f"\n{inner}{up}") == [
        ("outer", 1, 2, False),
        ("inner", 1, 4, False),
    ]
    assert seen(f"{outer}\n{inner}{up}", f"\n\r{' ' * 28}{up}") == [("outer", 1, 2, False)]


@pytest.mark.parametrize(
    "text",
    [
        "3/4 cups, 75% [====]\n",
        "mix \r3/4 cups of it\r",
        " 12/100 [==>........]\n",
        "\r12/05/2024 40%\r",
        " 40%|████      | 4/10\r\n",
    ],
)
def test_what_is_not_printed_over_or_no_bar_is_none(text: str) -> None:
    assert seen(text, text) == []


def test_a_finished_bar_leaves_the_text_after_it_alone() -> None:
    assert seen("\r5/5 [=====]\n", "1/2 50%\n", "2/2 100%\n") == [("", 5, 5, True)]


def test_the_same_bar_again_is_no_news() -> None:
    printed = PrintedBars(LogSpool(None).end)
    assert len(printed.feed("stderr", b"\r1/5 [=>...]")) == 1
    assert printed.feed("stderr", b"\r1/5 [=>...]") == []


def test_streams_have_their_own_bars() -> None:
    printed = PrintedBars(LogSpool(None).end)
    (out,), (err,) = (printed.feed(name, b"\r1/5 [=>...]") for name in ("stdout", "stderr"))
    assert out["id"] != err["id"]
    assert max(out["id"], err["id"]) < 0, "ids of bars that a job tells of itself are from 0"


def like_keras() -> None:
    width = 0
    for epoch in range(2):
        print(f"Epoch {epoch + 1}/2")
        for step in range(1, 301):
            bar = f"{step:3d}/300 [{'=' * (step // 10)}>{'.' * (30 - step // 10)}]"
            line = f"{bar} - loss: {1 / step:.4f}"
            print("\b" * width + "\r" + line, end="", flush=True)
            width = len(line)
        print()


def like_lightning() -> None:
    import sys

    for step in range(101):
        text = f"Epoch 3: {step:3d}%|{'█' * (step // 10):10}| {step}/100 [00:01<00:02, 30.0it/s"
        print(f"\r{text}, loss={1 - step / 200:.1f}, v_num=0]", end="", file=sys.stderr)
    print(file=sys.stderr)


def by_command() -> None:
    import subprocess
    import sys

    loop = "from tqdm import trange\nfor _ in trange(7, desc='command'): pass"
    subprocess.run([sys.executable, "-c", loop], check=True)


@every_method
def test_bars_as_keras_prints_them(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, like_keras)
    (bar,) = future.progress
    assert (bar.desc, bar.n, bar.total, bar.closed) == ("Epoch 2/2", 300, 300, True)
    assert bar.postfix == "loss: 0.0033"
    line = f"300/300 [{'=' * 30}>] - loss: 0.0033"
    assert future.logs() == f"Epoch 1/2\n{line}\nEpoch 2/2\n{line}\n"
    assert future.logs(raw=True).count("\r") == 600
    assert future.logs(tail=1) == f"{line}\n"


@every_method
def test_bars_as_lightning_prints_them(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, like_lightning)
    (bar,) = future.progress
    assert (bar.desc, bar.n, bar.total, bar.rate, bar.postfix) == (
        "Epoch 3",
        100,
        100,
        30,
        "loss=0.5, v_num=0",
    )
    assert future.logs().count("\n") == 1


def with_records_beside_a_bar() -> None:
    import sys

    for step in range(3):
        print(f"\r{step}/2 [{'=' * 9}]", end="", flush=True)
        print("a record", step, file=sys.stderr)
    print()


@every_method
def test_a_record_on_stderr_is_a_line_of_its_own(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, with_records_beside_a_bar)
    lines = future.logs().splitlines()
    assert [line for line in lines if "record" in line] == [f"a record {n}" for n in range(3)]
    assert [(bar.n, bar.total) for bar in future.progress] == [(2, 2)]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_bars_of_a_command(executor: JobExecutor, method: str) -> None:
    future = run(executor, method, by_command)
    (bar,) = future.progress
    assert (bar.desc, bar.n, bar.total, bar.closed) == ("command", 7, 7, True)
