"""The rows whose goals are ratios, in short: wide bounds, so that only a regression shows.

What else the machine does takes time from all contenders: the least of all blocks counts, and
there are more of them while the goal isn't met.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.notebook.kernel import Kernel

LEAST_ROUNDS, MOST_ROUNDS, CALLS = 2, 10, 5


@contextmanager
def opened(home: Path, function: str) -> Iterator[Kernel]:
    """A kernel with a contender in it."""
    home.mkdir()
    with Kernel(home) as kernel:
        kernel.do(
            "import numpy, ipywidgets\nfrom tests.benchmarks.opened import Opened\n"
            f"opened = Opened({function!r}, 1)",
            timeout=180,
        )
        yield kernel


def ratio(home: Path, ours: str, other: str, bound: float) -> float:
    """The least time of ours, in units of the other's."""
    least, found = [math.inf, math.inf], math.inf
    with opened(home / "ours", ours) as first, opened(home / "other", other) as second:
        for count in range(1, MOST_ROUNDS + 1):
            blocks = [kernel.value(f"opened.block({CALLS})", 180) for kernel in (first, second)]
            least = [min(least[side], *blocks[side]) for side in (0, 1)]
            found = least[0] / least[1]
            if found < bound and count >= LEAST_ROUNDS:
                break
    return found


@pytest.mark.parametrize(
    ("ours", "bound"),
    [("jobs:ours", 10), ("jobs:ours_with_card", 20)],
    ids=["a job", "a job with its card"],
)
def test_an_empty_job_costs_a_small_multiple_of_a_plain_fork(
    tmp_path: Path, ours: str, bound: float
) -> None:
    assert ratio(tmp_path, ours, "jobs:plain_fork", bound) < bound


def test_a_warm_fork_server_starts_a_job_faster_than_an_interpreter(tmp_path: Path) -> None:
    assert ratio(tmp_path, "jobs:ours_forkserver", "jobs:new_interpreter", 1) < 1


def test_a_model_server_answers_about_as_fast_as_a_bare_one(tmp_path: Path) -> None:
    assert ratio(tmp_path, "serving:infer_ours", "serving:infer_bare_threads", 2) < 2
