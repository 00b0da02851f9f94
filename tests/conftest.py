"""What holds for every test."""

import multiprocessing
import os
import signal
from typing import Any

import pytest
from hypothesis import settings

from tests.own_process import LAST, pytest_pyfunc_call

__all__ = ["pytest_pyfunc_call"]  # a hook

# How long an example takes says how busy the machine is; each test has its own timeout.
settings.register_profile("caikit_nb", deadline=None)
settings.load_profile("caikit_nb")


def pytest_configure() -> None:
    """Interrupts work also where the run was started in the background; the fork server is warm.

    A shell has its background processes ignore SIGINT, and what they start inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # As in a kernel. A server that has nothing has each of its children load it; programs that
    # tests start are such.
    multiprocessing.set_forkserver_preload(["caikit_nb.session", "pytest"])


# What takes long is begun first, so that nobody waits for it at the end.
PAGES = "tests/browser/"
FIRST = (PAGES, "tests/test_demo.py")
FIRST_OF_LAST = "tests/serving/test_stress.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[bool, bool, bool]:
    name = item.nodeid
    return not name.startswith(FIRST), name.startswith(LAST), not name.startswith(FIRST_OF_LAST)


@pytest.hookimpl(optionalhook=True)  # there may be no xdist
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests wait for kernels, pages and pipes."""
    return len(os.sched_getaffinity(0)) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Have those that share a page run in one process; as it is, those of a file do."""
    from xdist.scheduler import LoadFileScheduling

    class ByPageOrFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "browser" if nodeid.startswith(PAGES) else super()._split_scope(nodeid)

    return ByPageOrFile(config, log)
