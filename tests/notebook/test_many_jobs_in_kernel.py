"""The tables of a session with very many finished jobs."""

from __future__ import annotations

import pytest

from tests.notebook.kernel import Kernel

MOST_S = 0.1
MANY = [
    pytest.param(500, id="500"),
    pytest.param(10_000, id="10000", marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
]

# The least of several: what it costs when nothing else needs the processor.
MEASURE = """
import time
from caikit_nb.notebook.extension import _extensions
[extension] = _extensions.values()

def least_s(work, rounds=7):
    spent = []
    for _ in range(rounds):
        start = time.thread_time()
        work()
        spent.append(time.thread_time() - start)
    return min(spent)
"""

CROWD = """
for _ in range({count} // 50):
    futures = [
        caikit_nb.options(start_method="thread", retain="1h").submit(int) for _ in range(50)
    ]
    for future in futures:
        assert future.wait(120)
"""


@pytest.mark.parametrize("count", MANY)
def test_tables_are_drawn_at_once(kernel: Kernel, count: int) -> None:
    kernel.do(MEASURE + CROWD.format(count=count), timeout=500)
    kernel.do(
        "text_s = least_s(lambda: repr(extension.tables.text()))\n"
        "first_s = least_s(extension.tables.show)\n"
        "update_s = least_s(lambda: extension.tables._draw(None))",
        timeout=180,
    )
    spent = kernel.value("dict(text=text_s, first=first_s, update=update_s)")
    assert all(seconds < MOST_S for seconds in spent.values()), spent
    kernel.do("%unload_ext caikit_nb\n%load_ext caikit_nb")
