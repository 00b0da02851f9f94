"""What a job prints costs the kernel no memory, however much it is."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from caikit_nb.execution.memory import private_bytes
from tests.notebook.kernel import Kernel

MIB = 2**20
COST_BYTES = 30 * MIB
FILE_BYTES = 256 * MIB

PRINTS = """%%caikit_job {name} -m {method}
print('the first line')
for _ in range({count}):
    print('x' * {size})
print('the last line')
'done'
"""


class Peak:
    """The most memory that a process was seen to have more than at first."""

    def __init__(self, pid: int) -> None:
        self._pid, self._first = pid, private_bytes(pid)
        assert self._first
        self.grown_bytes, self.samples = 0, 0

    def sample(self) -> None:
        self.samples += 1
        self.grown_bytes = max(self.grown_bytes, private_bytes(self._pid) - self._first)


@contextmanager
def sampled(pid: int) -> Iterator[Peak]:
    """Sample a process's memory ten times a second."""
    peak, stop = Peak(pid), threading.Event()

    def watch() -> None:
        while not stop.wait(0.1):
            peak.sample()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()
        peak.sample()


@pytest.fixture
def warm(start_kernel: Callable[..., Kernel]) -> Kernel:
    """A kernel that has had a job of each kind, so that what it loads once is loaded."""
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\n%config CaikitJobs.max_workers = 2")
    for method in ("fork", "forkserver"):
        cell = PRINTS.format(name=f"warm_{method}", method=method, count=20, size=MIB)
        kernel.do(cell)
        assert kernel.value(f"warm_{method}.result(120)", 180) == "done"
        kernel.card(f"warm_{method}").wait_for("completed")
    kernel.read_what_is_there()
    return kernel


def print_and_look(kernel: Kernel, method: str, count: int, size: int, timeout: float) -> None:
    with sampled(kernel.pid) as peak:
        kernel.do(PRINTS.format(name="loud", method=method, count=count, size=size))
        assert kernel.value(f"loud.result({timeout})", timeout + 10) == "done"
        kernel.card("loud").wait_for("completed")
    printed_bytes = count * (size + 1) + len("the first line\nthe last line\n")
    assert peak.samples > 2
    assert peak.grown_bytes < COST_BYTES, f"{peak.grown_bytes / MIB:.0f} MiB"
    assert kernel.value("loud.logs(tail=1)") == "the last line\n"
    assert kernel.value("loud.logs(tail=2).count('x')") >= min(size, 100_000)
    (file,) = [
        path for path in kernel.sessions.glob("*/*/output.log") if path.stat().st_size > 50 * MIB
    ]
    if printed_bytes > FILE_BYTES:
        assert FILE_BYTES <= os.stat(file).st_size < FILE_BYTES + MIB
        shown = kernel.value("[loud.logs()[:15], 'bytes left out' in loud.logs()]")
        assert shown == ["the first line\n", True]
        assert kernel.value("len(loud.logs())") < MIB
    else:
        assert os.stat(file).st_size == printed_bytes
        with file.open() as lines:
            assert lines.readline() == "the first line\n"


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_a_hundred_megabytes_of_prints_cost_the_kernel_nothing(warm: Kernel, method: str) -> None:
    print_and_look(warm, method, count=100, size=MIB, timeout=180)


def test_one_print_of_two_hundred_megabytes_costs_the_kernel_nothing(warm: Kernel) -> None:
    print_and_look(warm, "fork", count=1, size=200 * MIB, timeout=180)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_gigabyte_of_prints_costs_the_kernel_nothing(warm: Kernel) -> None:
    print_and_look(warm, "fork", count=1024, size=MIB, timeout=200)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_gigabyte_of_short_lines_costs_the_kernel_nothing(warm: Kernel) -> None:
    print_and_look(warm, "fork", count=2**22, size=255, timeout=200)
