"""The rows whose goals are ratios, in short: wide bounds, so that only a regression shows.

What else the machine does takes time from all contenders: the least of each block counts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.notebook.kernel import Kernel

ROUNDS, CALLS = 2, 5


@contextmanager
def opened(home: Path, function: str) -> Iterator[Kernel]:
    """A kernel with a contender in it."""
    home.mkdir()
    with Kernel(home) as kernel:
        kernel.do(
            "import numpy, ipywidgets\nfrom tests.benchmarks.opened import Opened\n"
            f"opened = Opened({function!r}, 1)",
            timeout=60,
        )
        yield kernel


def ratio(home: Path, ours: str, other: str) -> float:
    """The least time of ours, in units of the other's."""
    with opened(home / "ours", ours) as first, opened(home / "other", other) as second:
        blocks = [
            [kernel.value(f"opened.block({CALLS})", 60) for kernel in (first, second)]
            for _ in range(ROUNDS)
        ]
    mine, others = (min(min(block) for block in column) for column in zip(*blocks, strict=True))
    return mine / others


@pytest.mark.parametrize(
    ("ours", "bound"),
    [("jobs:ours", 6), ("jobs:ours_with_card", 20)],
    ids=["a job", "a job with its card"],
)
def test_an_empty_job_costs_a_small_multiple_of_a_plain_fork(
    tmp_path: Path, ours: str, bound: float
) -> None:
    assert ratio(tmp_path, ours, "jobs:plain_fork") < bound


def test_a_warm_fork_server_starts_a_job_faster_than_an_interpreter(tmp_path: Path) -> None:
    assert ratio(tmp_path, "jobs:ours_forkserver", "jobs:new_interpreter") < 1


def test_a_model_server_answers_about_as_fast_as_a_bare_one(tmp_path: Path) -> None:
    assert ratio(tmp_path, "serving:infer_ours", "serving:infer_bare_threads") < 2
