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


# ipykernel itself ends where an interrupt comes while it tells of another, and sends half a reply
# where one comes while it sends: with cells that only ``pass``, too. So they are raised where a
# cell runs, or our code for a message. Between messages ipykernel ignores them: one that is raised
# in a callback of the event loop would end the loop.
WHERE_A_CELL_RUNS = """
import signal as _signal

def _raise_there(number, frame):
    names, is_ours = set(), False
    while frame is not None:
        names.add(frame.f_code.co_name)
        is_ours |= "/caikit_nb/" in frame.f_code.co_filename
        frame = frame.f_back
    if "run_cell" in names or (is_ours and "dispatch_shell" in names):
        raise KeyboardInterrupt

_kernel = get_ipython().kernel
_kernel.pre_handler_hook = _kernel.post_handler_hook = lambda: None  # they set the handler
_signal.signal(_signal.SIGINT, _raise_there)
"""


def answers(kernel: Kernel) -> bool:
    try:
        return bool(kernel.value("6 * 7", 180) == 42)
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
    kernel.do(WHERE_A_CELL_RUNS)
    moments = random.Random(count)
    for number in range(count):
        kernel.execute(moments.choice(CELLS).format(number=number))
        for _ in range(moments.choice((1, 1, 2, 3))):
            spin_until = time.perf_counter() + moments.uniform(0, 0.05)
            while time.perf_counter() < spin_until:
                pass
            kernel.interrupt()
        assert any(answers(kernel) for _ in range(3)), f"it hangs after interrupt {number}"
    kernel.do("%%caikit_job last -m fork\n'done'")
    assert kernel.value("last.result(120)", 180) == "done"
    assert set(kernel.value("[job.wait(120) for job in caikit_nb.jobs.values()]", 180)) == {True}
