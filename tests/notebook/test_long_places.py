"""A kernel whose temporary files lie in a place with a long name."""

from collections.abc import Callable
from pathlib import Path

from tests.notebook.kernel import Kernel


def test_fresh_interpreters_start(start_kernel: Callable[..., Kernel], tmp_path: Path) -> None:
    place = tmp_path / ("y" * 120)
    place.mkdir()
    kernel = start_kernel(TMPDIR=str(place))
    kernel.do("%load_ext caikit_nb\n%config CaikitJobs.start_method = 'forkserver'")
    kernel.do("%%caikit_job far --wait\n42")
    assert kernel.value("far.result(120)", 180) == 42
