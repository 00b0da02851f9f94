"""The machine runs out of memory: the system takes the job, and not the kernel with the data."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.notebook.kernel import Kernel
from tests.waiting import until

pytestmark = pytest.mark.slow

MEBIBYTE = 1 << 20
MACHINE_BYTES = 900 * MEBIBYTE
DATA_BYTES = 500 * MEBIBYTE
GREEDY = f"""
taken = []
while True:
    taken.append(b"x" * {64 * MEBIBYTE})
"""


def _own_group() -> Path:
    """The control group of this process that counts memory."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            return Path("/sys/fs/cgroup/memory" + path)
        if not controllers and Path("/sys/fs/cgroup/memory.max").exists():
            return Path("/sys/fs/cgroup" + path)
    return Path("/nowhere")


@contextlib.contextmanager
def _new_group(limit_bytes: int) -> Iterator[Path]:
    """A control group: a machine with little memory."""
    group = _own_group() / "caikit_nb_test"
    try:
        group.mkdir(exist_ok=True)
        limit = next(
            group / name
            for name in ("memory.limit_in_bytes", "memory.max")
            if (group / name).exists()
        )
        limit.write_text(str(limit_bytes))
    except (OSError, StopIteration) as error:
        pytest.skip(f"NO CONTROL GROUP can be made: {error}")
    yield group
    until(lambda: not (group / "cgroup.procs").read_text(), "its processes to end")
    group.rmdir()


@pytest.fixture
def small_machine() -> Iterator[Path]:
    """Who is written to its ``cgroup.procs`` has little memory."""
    with _new_group(MACHINE_BYTES) as group:
        yield group


@pytest.fixture
def kernel_with_data(small_machine: Path, start_kernel: Callable[..., Kernel]) -> Kernel:
    """A kernel on it whose data takes more than half of the memory."""
    kernel = start_kernel()
    (small_machine / "cgroup.procs").write_text(str(kernel.pid))
    kernel.do(f"%load_ext caikit_nb\nimport numpy\ndata = numpy.ones({DATA_BYTES} // 8)")
    return kernel


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_a_greedy_job_is_taken_and_the_kernel_keeps_its_data(
    kernel_with_data: Kernel, method: str
) -> None:
    kernel_with_data.do(f"%%caikit_job greedy -m {method}\n{GREEDY}")
    kernel_with_data.value("greedy.wait(120)", 180)
    error = kernel_with_data.run("greedy.result()").error
    assert "the system ran out of memory and killed the job's process" in error
    assert kernel_with_data.value("float(data.sum())") == DATA_BYTES / 8


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_what_a_job_starts_goes_before_the_kernel_too(
    kernel_with_data: Kernel, method: str
) -> None:
    kernel_with_data.do(
        f"%%caikit_job parent -m {method}\nimport subprocess, sys\n"
        f"done = subprocess.run([sys.executable, '-c', {GREEDY!r}])\ndone.returncode"
    )
    kernel_with_data.value("parent.wait(120)", 180)  # it, or what it has started, is taken
    assert kernel_with_data.value("float(data.sum())") == DATA_BYTES / 8
