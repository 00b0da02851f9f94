"""The fork server starts when the kernel is idle, and knows what the notebook has imported."""

from collections.abc import Callable

import pytest

from tests.notebook.kernel import Kernel
from tests.notebook.processes import living_below
from tests.waiting import until

LOADED = "%%caikit_job loaded -m forkserver\nimport sys\n'numpy' in sys.modules"


def has_fork_server(kernel: Kernel) -> bool:
    """Whether a fork server has been started in the kernel."""
    return any("forkserver" in " ".join(command) for _, command in living_below(kernel.pid))


@pytest.mark.parametrize("is_idle_before", [True, False])
def test_a_fresh_interpreter_has_what_was_imported_after_the_extension(
    start_kernel: Callable[..., Kernel], is_idle_before: bool
) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\nimport sys\nassert 'numpy' not in sys.modules")
    kernel.do("import numpy")
    if is_idle_before:
        until(lambda: has_fork_server(kernel), "the fork server")
    kernel.do(LOADED)
    assert kernel.value("loaded.result(120)", 180) is True


def test_no_server_starts_while_a_cell_runs(start_kernel: Callable[..., Kernel]) -> None:
    kernel = start_kernel()
    kernel.do("%load_ext caikit_nb\nimport threading")
    kernel.do("from caikit_nb.execution.watcher import watcher")
    # The watcher runs what it is asked to in order: a start that was due would have come before.
    kernel.do("due = threading.Event(); watcher.call_later(1.5, due.set); assert due.wait(120)")
    assert not has_fork_server(kernel)
