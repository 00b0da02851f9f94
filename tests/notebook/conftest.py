"""Fixtures for tests in a real kernel."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.notebook.gate import Gate
from tests.notebook.kernel import Kernel
from tests.notebook.processes import Watched

LOAD = "%load_ext caikit_nb\n%config CaikitJobs.max_workers = 4"
CANCEL_ALL = """
_running = [_job for _job in caikit_nb.jobs.values() if not _job.status.is_terminal]
for _job in _running:
    _job.cancel()
for _job in _running:
    _job.wait(120)
"""


@pytest.fixture(scope="module")
def loaded_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel with the extension for a module's tests."""
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.do(LOAD)
        yield kernel


@pytest.fixture
def kernel(loaded_kernel: Kernel) -> Iterator[Kernel]:
    """The module's kernel; the jobs of the test before have ended."""
    yield loaded_kernel
    try:
        loaded_kernel.do(CANCEL_ALL, timeout=180)
    except AssertionError:
        # One test's trouble must not become that of the tests behind it.
        loaded_kernel.restart()
        loaded_kernel.do(LOAD)
        raise


@pytest.fixture
def start_kernel(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    """Start a kernel of the test's own; the extension isn't loaded."""
    with ExitStack() as kernels:

        def start(**environment: str) -> Kernel:
            home = tmp_path / f"kernel-{len(list(tmp_path.iterdir()))}"
            home.mkdir()
            return kernels.enter_context(Kernel(home, environment))

        yield start


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """A gate for one job."""
    return Gate(tmp_path / "gate")


@pytest.fixture
def gates(tmp_path: Path) -> Callable[[], Gate]:
    """Makes as many gates as a test needs."""

    def make() -> Gate:
        return Gate(tmp_path / f"gate-{len(list(tmp_path.iterdir()))}")

    return make


@pytest.fixture
def watched() -> Iterator[Watched]:
    """Processes that the test expects to end; those that don't are ended after it."""
    processes = Watched()
    yield processes
    processes.close()
