"""A kernel that may open few files by its soft limit, as is usual, and more by its hard one."""

import resource
from collections.abc import Callable, Iterator

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel

MANY = 60


@pytest.fixture
def few() -> Iterator[None]:
    """What this process starts has the limit, too; it is put back by a hard one that stays."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_queue_needs_more(few: None, start_kernel: Callable[..., Kernel], gate: Gate) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\n%config CaikitJobs.max_workers = 1")
    kernel.do(f"%%caikit_job first -m fork\n{gate.wait}")
    kernel.do(
        "waiting = [caikit_nb.options(start_method='fork').submit(abs, -n) "
        f"for n in range({MANY})]",
        timeout=60,
    )
    kernel.do("open('/dev/null').close()")
    gate.open()
    results = kernel.value("[job.result(60) for job in waiting]", 90)
    assert results == list(range(MANY))
