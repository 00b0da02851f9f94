"""Interrupts at any moment of what a cell asks of jobs: the kernel goes on."""

import random
import time
from collections.abc import Callable

import pytest

from tests.notebook.kernel import Kernel

CELLS = (
    "several = [caikit_nb.submit(int, n) for n in range(6)]",
    "%%caikit_job brings -o value_{number} -m fork\nvalue_{number} = {number}",
    "%%caikit_job fresh -m forkserver\n{number}",
    "%caikit_jobs",
    "caikit_nb.submit(int, 1).result()",
    "%caikit_jobs purge",
)


def answers(kernel: Kernel) -> bool:
    try:
        return bool(kernel.value("6 * 7", 30) == 42)
    except (AssertionError, KeyError):  # a late interrupt has hit this, or had it dropped
        return False


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(40, id="40"),
        pytest.param(2500, id="2500", marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
    ],
)
def test_the_kernel_goes_on(start_kernel: Callable[..., Kernel], count: int) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\n%config CaikitJobs.max_workers = 4")
    moments = random.Random(count)
    for number in range(count):
        kernel.execute(moments.choice(CELLS).format(number=number))
        for _ in range(moments.choice((1, 1, 2))):
            spin_until = time.perf_counter() + moments.uniform(0, 0.05)
            while time.perf_counter() < spin_until:
                pass
            kernel.interrupt()
        assert any(answers(kernel) for _ in range(3)), f"it hangs after interrupt {number}"
    kernel.do("%%caikit_job last -m fork\n'done'")
    assert kernel.value("last.result(60)", 70) == "done"
    assert set(kernel.value("[job.wait(60) for job in caikit_nb.jobs.values()]", 120)) == {True}
