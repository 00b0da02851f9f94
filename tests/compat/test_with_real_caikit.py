"""The bridge to caikit, tested in an environment of its own that has the real caikit.

caikit needs older packages than this environment has, so they come first there, and all else is
taken from here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.environments import make_environment

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def caikit_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of that environment."""
    home = tmp_path_factory.mktemp("caikit")
    python = make_environment(home, "caikit")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    here = sysconfig.get_path("purelib")
    (home / "lib" / version / "site-packages" / "~shared.pth").write_text(f"{here}\n")
    return str(python)


# It writes into a class's own annotations, which are None there until somebody asks for them.
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="caikit itself fails on Python 3.14")
@pytest.mark.timeout(600)
def test_trainings_and_predictions_of_caikit_are_jobs(caikit_python: str) -> None:
    """All tests in `real_caikit`."""
    done = subprocess.run(
        [caikit_python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/compat/real_caikit"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]
